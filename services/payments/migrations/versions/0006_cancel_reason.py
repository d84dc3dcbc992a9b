"""The reason of a cancellation, which the event of a refund and the API name. The release before leaves it NULL."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payments", sa.Column("cancel_reason", sa.Text))


def downgrade() -> None:
    op.drop_column("payments", "cancel_reason")
