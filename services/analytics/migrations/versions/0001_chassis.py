"""The tables of the chassis: outbox, inbox and their kin."""

from chassis.postgres.migrations import execute

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    execute("0001")


def downgrade() -> None:
    execute("0001_down")
