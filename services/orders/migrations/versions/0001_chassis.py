"""The chassis' own tables: outbox, inbox, dead letters, idempotency keys."""

from chassis.migrations import downgrade_0001, upgrade_0001

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    upgrade_0001()


def downgrade() -> None:
    downgrade_0001()
