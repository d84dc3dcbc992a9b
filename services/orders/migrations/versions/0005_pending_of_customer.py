"""An index of the PENDING orders of each customer, because a new order counts them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "orders_pending_of_customer",
        "orders",
        ["customer_id"],
        postgresql_where=sa.text("state = 'PENDING'"),
    )


def downgrade() -> None:
    op.drop_index("orders_pending_of_customer")
