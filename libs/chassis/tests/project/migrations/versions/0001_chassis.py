"""The chassis' tables, and a table of effects for the tests' handlers."""

from alembic import op

from chassis.postgres.migrations import execute

revision = "0001"
down_revision = None


def upgrade() -> None:
    execute("0001")
    op.execute(
        "CREATE TABLE effects (id bigint GENERATED ALWAYS AS IDENTITY, name text NOT NULL, number int NOT NULL,"
        " in_call int NOT NULL)"
    )


def downgrade() -> None:
    op.execute("DROP TABLE effects")
    execute("0001_down")
