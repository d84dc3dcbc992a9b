"""The state FAILED, for a notification whose message no channel will ever accept."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _allow("'PENDING', 'SENT', 'FAILED'")
    op.execute("CREATE INDEX notifications_failed ON notifications (id) WHERE state = 'FAILED'")


def downgrade() -> None:
    op.execute("DROP INDEX notifications_failed")
    op.execute("UPDATE notifications SET state = 'PENDING' WHERE state = 'FAILED'")
    _allow("'PENDING', 'SENT'")


def _allow(states: str) -> None:
    op.execute("ALTER TABLE notifications DROP CONSTRAINT notifications_state_check")
    op.execute(
        "ALTER TABLE notifications ADD CONSTRAINT notifications_state_check"
        f" CHECK (state IN ({states})) NOT VALID"
    )
    op.execute("ALTER TABLE notifications VALIDATE CONSTRAINT notifications_state_check")
