"""The notifications."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE notifications (
            id uuid PRIMARY KEY,
            order_id uuid NOT NULL,
            kind text NOT NULL,
            customer_id text NOT NULL,
            amount_minor bigint NOT NULL,
            currency text NOT NULL,
            reason text,
            message_id text NOT NULL UNIQUE,
            state text NOT NULL CHECK (state IN ('PENDING', 'SENT')),
            channel text,
            attempts integer NOT NULL DEFAULT 0,
            last_error text,
            due_at timestamptz NOT NULL DEFAULT now(),
            created_at timestamptz NOT NULL DEFAULT now(),
            sent_at timestamptz,
            cause_event_id uuid,
            correlation_id text NOT NULL,
            traceparent text,
            UNIQUE (order_id, kind),
            CHECK ((state = 'SENT') = (sent_at IS NOT NULL AND channel IS NOT NULL))
        )
        """
    )
    op.execute("CREATE INDEX notifications_due ON notifications (due_at) WHERE state = 'PENDING'")


def downgrade() -> None:
    op.execute("DROP TABLE notifications")
