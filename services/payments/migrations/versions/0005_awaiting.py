"""An index of the AWAITING payments, because a job voids those that wait for too long."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "payments_awaiting",
        "payments",
        ["opened_at"],
        postgresql_where=sa.text("state = 'AWAITING'"),
    )


def downgrade() -> None:
    op.drop_index("payments_awaiting")
