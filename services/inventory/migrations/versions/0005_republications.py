"""Republications of the catalogue, with their progress."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE republications (
            id uuid PRIMARY KEY,
            after_sku text COLLATE "C" NOT NULL DEFAULT '',
            products bigint NOT NULL DEFAULT 0,
            requested_at timestamptz NOT NULL DEFAULT now(),
            finished_at timestamptz
        )
        """
    )
    op.execute(
        """
        CREATE UNIQUE INDEX republications_one_under_way ON republications ((finished_at IS NULL))
        WHERE finished_at IS NULL
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE republications")
