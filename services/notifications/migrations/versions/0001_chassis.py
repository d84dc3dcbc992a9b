"""The tables of the chassis: outbox, inbox and their kin."""

from alembic import op

from chassis.migrations import downgrade_0001, upgrade_0001

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    upgrade_0001(op)


def downgrade() -> None:
    downgrade_0001(op)
