"""The chassis' third release: rows of the outbox that cannot be sent are set aside."""

from chassis.postgres.migrations import execute

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    execute("0003")


def downgrade() -> None:
    execute("0003_down")
