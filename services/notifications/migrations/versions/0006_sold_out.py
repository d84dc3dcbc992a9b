"""The products for which an order was rejected, which the message names. The release before leaves them NULL."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("notifications", sa.Column("sold_out", JSONB))


def downgrade() -> None:
    op.drop_column("notifications", "sold_out")
