"""The chassis' tables, and a table of effects for the tests' handlers."""

from alembic import op

from chassis.migrations import downgrade_0001, upgrade_0001

revision = "0001"
down_revision = None


def upgrade() -> None:
    upgrade_0001()
    op.execute(
        "CREATE TABLE effects (id bigint GENERATED ALWAYS AS IDENTITY, name text NOT NULL, number int NOT NULL,"
        " in_call int NOT NULL)"
    )


def downgrade() -> None:
    op.execute("DROP TABLE effects")
    downgrade_0001()
