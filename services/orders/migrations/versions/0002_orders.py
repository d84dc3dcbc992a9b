"""Orders, and the own copy of the price list."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("total_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("lines", JSONB, nullable=False),
        sa.Column("history", JSONB, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deadline_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("traceparent", sa.Text),
        sa.CheckConstraint("state IN ('PENDING', 'CONFIRMED', 'REJECTED', 'CANCELLED')", name="orders_state"),
        sa.CheckConstraint("(state = 'PENDING') = (ended_at IS NULL)", name="orders_ended"),
        sa.CheckConstraint(
            "(state IN ('REJECTED', 'CANCELLED')) = (reason IS NOT NULL)", name="orders_reason"
        ),
        sa.CheckConstraint("total_minor >= 0", name="orders_total"),
    )
    op.create_index("orders_by_customer", "orders", ["customer_id", "id"])
    op.create_index(
        "orders_pending_deadline", "orders", ["deadline_at"], postgresql_where=sa.text("state = 'PENDING'")
    )
    op.create_table(
        "prices",
        sa.Column("sku", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("price_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("prices")
    op.drop_table("orders")
