"""The chassis' second release: a shard for each partition."""

from chassis.postgres.migrations import execute

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    execute("0002")


def downgrade() -> None:
    execute("0002_down")
