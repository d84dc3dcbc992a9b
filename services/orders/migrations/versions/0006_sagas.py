"""The progress of each order, if an orchestrator directs the saga."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sagas",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("done", ARRAY(sa.Text), nullable=False),
        sa.Column("queue", JSONB, nullable=False),
        sa.Column("ending", sa.Text),
        sa.Column("sent", sa.Integer, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("traceparent", sa.Text),
    )
    op.create_index("sagas_due", "sagas", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))


def downgrade() -> None:
    op.drop_table("sagas")
