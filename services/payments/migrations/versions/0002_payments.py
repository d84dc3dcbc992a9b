"""Payments and refunds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "payments",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("payment_id", sa.Uuid, nullable=False, unique=True),
        sa.Column("customer_id", sa.Text),
        sa.Column("amount_minor", sa.BigInteger),
        sa.Column("currency", sa.Text),
        sa.Column("token", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("stock_reserved", sa.Boolean, nullable=False, server_default="false"),
        sa.Column("deadline_at", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("charge_id", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("cause", JSONB),
        sa.Column("cancel_cause", JSONB),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "state IN ('AWAITING', 'OPENED', 'DUE', 'CAPTURING', 'CANCELLING',"
            " 'CAPTURED', 'DECLINED', 'VOIDED', 'REFUNDED')",
            name="payments_state",
        ),
        sa.CheckConstraint(
            "(due_at IS NOT NULL) = (state IN ('CANCELLING', 'CAPTURING', 'DUE'))", name="payments_due"
        ),
        sa.CheckConstraint(
            "(token IS NOT NULL) = (state IN ('CANCELLING', 'CAPTURING', 'DUE', 'OPENED'))",
            name="payments_token",
        ),
        sa.CheckConstraint(
            "(charge_id IS NOT NULL) = (state IN ('CAPTURED', 'REFUNDED'))", name="payments_charge"
        ),
    )
    op.create_index("payments_due_at", "payments", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_index(
        "payments_opened", "payments", ["deadline_at"], postgresql_where=sa.text("state = 'OPENED'")
    )
    op.create_table(
        "refunds",
        sa.Column("refund_id", sa.Uuid, primary_key=True),
        sa.Column("payment_id", sa.Uuid, nullable=False),
        sa.Column("order_id", sa.Uuid, sa.ForeignKey("payments.order_id"), nullable=False, unique=True),
        sa.Column("amount_minor", sa.BigInteger, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("cause", JSONB),
        sa.Column(
            "requested_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("now()")
        ),
        sa.Column("refunded_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("state IN ('PENDING', 'REFUNDED')", name="refunds_state"),
        sa.CheckConstraint("(due_at IS NOT NULL) = (state = 'PENDING')", name="refunds_due"),
    )
    op.create_index("refunds_due_at", "refunds", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))


def downgrade() -> None:
    op.drop_table("refunds")
    op.drop_table("payments")
