"""The projections and their generations."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE projection_state (
            generation integer PRIMARY KEY,
            state text NOT NULL CHECK (state IN ('BUILDING', 'ACTIVE', 'RETIRED', 'REMOVED')),
            opened_at timestamptz NOT NULL DEFAULT now(),
            activated_at timestamptz,
            positions jsonb NOT NULL DEFAULT '{}',
            messages_read bigint NOT NULL DEFAULT 0,
            messages_total bigint,
            messages_skipped bigint NOT NULL DEFAULT 0
        )
        """
    )
    op.execute(
        """
        CREATE UNIQUE INDEX projection_state_one_of_each ON projection_state (state)
        WHERE state IN ('ACTIVE', 'BUILDING')
        """
    )
    op.execute("INSERT INTO projection_state (generation, state, activated_at) VALUES (1, 'ACTIVE', now())")
    # A row is updated about seven times in its first second. With free space in the page, these updates do not change
    # the index.
    op.execute(
        """
        CREATE TABLE order_facts (
            generation integer NOT NULL,
            order_id uuid NOT NULL,
            order_version integer,
            order_state text,
            placed_at timestamptz,
            confirmed_at timestamptz,
            total_minor bigint,
            currency text,
            lines jsonb,
            reservation_version integer,
            reservation_state text,
            reserved_at timestamptz,
            payment_version integer,
            payment_state text,
            captured_at timestamptz,
            refunded_minor bigint,
            notified_at timestamptz,
            PRIMARY KEY (generation, order_id)
        ) WITH (fillfactor = 50)
        """
    )
    op.execute(
        """
        CREATE TABLE product_facts (
            generation integer NOT NULL,
            sku text NOT NULL,
            version integer,
            name text,
            PRIMARY KEY (generation, sku)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE product_facts")
    op.execute("DROP TABLE order_facts")
    op.execute("DROP TABLE projection_state")
