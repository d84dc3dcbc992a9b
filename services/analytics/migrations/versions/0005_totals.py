"""Totals that reports read, and the state CANCELLED for rebuilds.

Triggers on order_facts update the totals. The previous release still writes facts while it is replaced, and it has no
code for totals (docs/decisions/0018).
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE order_totals (
        generation integer NOT NULL,
        slot smallint NOT NULL,
        order_state text NOT NULL,
        currency text NOT NULL,
        step smallint NOT NULL,
        orders bigint NOT NULL,
        total_minor numeric NOT NULL,
        refunds bigint NOT NULL,
        refunded_minor numeric NOT NULL,
        PRIMARY KEY (generation, order_state, currency, step, slot)
    ) WITH (fillfactor = 10)
    """,
    """
    CREATE TABLE product_totals (
        generation integer NOT NULL,
        slot smallint NOT NULL,
        sku text NOT NULL,
        currency text NOT NULL,
        quantity numeric NOT NULL,
        revenue_minor numeric NOT NULL,
        PRIMARY KEY (generation, sku, currency, slot)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE wait_totals (
        generation integer NOT NULL,
        slot smallint NOT NULL,
        bits smallint NOT NULL,
        bucket bigint NOT NULL,
        orders bigint NOT NULL,
        PRIMARY KEY (generation, bits, bucket, slot)
    ) WITH (fillfactor = 80)
    """,
)

# A transaction counts in a slot that no other transaction uses, so it does not wait for a row of totals. Reports sum
# over the slots. It uses the first free slot, so there are as few rows as possible. If all slots are in use, it waits.
SLOT = """
    CREATE FUNCTION totals_slot() RETURNS smallint LANGUAGE plpgsql AS $$
    DECLARE
        slots constant integer := hashtext('analytics.totals');
        mine integer;
    BEGIN
        FOR mine IN 0..15 LOOP
            IF pg_try_advisory_xact_lock(slots, mine) THEN
                RETURN mine;
            END IF;
        END LOOP;
        mine := pg_backend_pid() % 16;
        PERFORM pg_advisory_xact_lock(slots, mine);
        RETURN mine;
    END
    $$
"""

STEP = """
    CREATE FUNCTION funnel_step(
        placed_at timestamptz, reserved_at timestamptz, captured_at timestamptz, confirmed_at timestamptz,
        notified_at timestamptz
    ) RETURNS smallint LANGUAGE sql IMMUTABLE AS $$
        SELECT CAST(CASE
            WHEN placed_at IS NULL THEN 0
            WHEN reserved_at IS NULL THEN 1
            WHEN captured_at IS NULL THEN 2
            WHEN confirmed_at IS NULL THEN 3
            WHEN notified_at IS NULL THEN 4
            ELSE 5
        END AS smallint)
    $$
"""

# Each of these three statements adds rows of facts to one table of totals: old rows with sign -1, new rows with sign 1.
COUNT_ORDERS = """
    INSERT INTO order_totals AS t (
        generation, slot, order_state, currency, step, orders, total_minor, refunds, refunded_minor
    )
    SELECT f.generation, {slot}, coalesce(f.order_state, ''), coalesce(f.currency, ''),
           funnel_step(f.placed_at, f.reserved_at, f.captured_at, f.confirmed_at, f.notified_at),
           sum(f.sign), coalesce(sum(f.sign * f.total_minor), 0),
           coalesce(sum(f.sign) FILTER (WHERE f.refunded_minor IS NOT NULL), 0),
           coalesce(sum(f.sign * f.refunded_minor), 0)
    FROM {facts}
    GROUP BY 1, 3, 4, 5
    HAVING sum(f.sign) <> 0 OR sum(f.sign * f.total_minor) <> 0
        OR sum(f.sign) FILTER (WHERE f.refunded_minor IS NOT NULL) <> 0
        OR sum(f.sign * f.refunded_minor) <> 0
    ON CONFLICT (generation, order_state, currency, step, slot) DO UPDATE
    SET orders = t.orders + excluded.orders, total_minor = t.total_minor + excluded.total_minor,
        refunds = t.refunds + excluded.refunds, refunded_minor = t.refunded_minor + excluded.refunded_minor
"""
COUNT_PRODUCTS = """
    INSERT INTO product_totals AS t (generation, slot, sku, currency, quantity, revenue_minor)
    SELECT f.generation, {slot}, line.sku, f.currency, sum(f.sign * CAST(line.quantity AS numeric)),
           sum(f.sign * CAST(line.quantity AS numeric) * line.unit_price_minor)
    FROM {facts}
    CROSS JOIN jsonb_to_recordset(f.lines) AS line (sku text, quantity bigint, unit_price_minor bigint)
    WHERE f.order_state = 'CONFIRMED' AND f.lines IS NOT NULL AND f.currency IS NOT NULL
    GROUP BY 1, 3, 4
    ON CONFLICT (generation, sku, currency, slot) DO UPDATE
    SET quantity = t.quantity + excluded.quantity, revenue_minor = t.revenue_minor + excluded.revenue_minor
"""
COUNT_WAITS = """
    WITH waited AS MATERIALIZED (
        SELECT f.generation, f.sign,
               CAST(extract(epoch FROM f.confirmed_at - f.placed_at) * 1000000 AS bigint) AS microseconds
        FROM {facts}
        WHERE isfinite(f.placed_at) AND isfinite(f.confirmed_at)
    )
    INSERT INTO wait_totals AS t (generation, slot, bits, bucket, orders)
    SELECT w.generation, {slot}, level.bits, w.microseconds >> level.bits, sum(w.sign)
    FROM waited AS w CROSS JOIN (VALUES (0), (8), (16), (24)) AS level (bits)
    GROUP BY 1, 3, 4
    HAVING sum(w.sign) <> 0
    ON CONFLICT (generation, bits, bucket, slot) DO UPDATE SET orders = t.orders + excluded.orders
"""

OF_ORDERS = "generation order_state currency total_minor refunded_minor placed_at reserved_at captured_at"
OF_ORDERS += " confirmed_at notified_at"
OF_PRODUCTS = "generation order_state currency lines"
OF_WAITS = "generation placed_at confirmed_at"


def added(columns: str, table: str) -> str:
    """All rows of a table, as facts to count."""
    return f"(SELECT 1 AS sign, {', '.join(columns.split())} FROM {table}) AS f"


def changed(columns: str, condition: str) -> str:
    """The old row `o` and the new row `n` of each changed fact that meets the condition, as facts to count."""
    names = columns.split()
    old = ", ".join(f"o.{name}" for name in names)
    new = ", ".join(f"n.{name}" for name in names)
    return f"""
        old_facts AS o
        JOIN new_facts AS n ON n.generation = o.generation AND n.order_id = o.order_id AND ({condition})
        CROSS JOIN LATERAL (VALUES (-1, {old}), (1, {new})) AS f (sign, {", ".join(names)})
    """


def counting(orders: str, products: str, waits: str, slot: str) -> tuple[str, str, str]:
    """The three statements that count these facts."""
    return (
        COUNT_ORDERS.format(facts=orders, slot=slot),
        COUNT_PRODUCTS.format(facts=products, slot=slot),
        COUNT_WAITS.format(facts=waits, slot=slot),
    )


def function(name: str, statements: tuple[str, str, str]) -> str:
    """A trigger function. PostgreSQL caches its plans, so no plan may depend on the small size of the first batch."""
    orders, products, waits = statements
    return f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
        DECLARE
            mine smallint;
        BEGIN
            IF NOT EXISTS (SELECT FROM new_facts) THEN
                RETURN NULL;
            END IF;
            mine := totals_slot();
            {orders};
            {products};
            {waits};
            RETURN NULL;
        END
        $$
    """


# Events set lines and currency once. The condition on them counts a row correctly that an operator changes by hand.
SALE_CHANGES = """
    (o.order_state = 'CONFIRMED') IS DISTINCT FROM (n.order_state = 'CONFIRMED')
    OR n.order_state = 'CONFIRMED'
       AND (o.currency IS DISTINCT FROM n.currency OR o.lines IS DISTINCT FROM n.lines)
"""
WAIT_CHANGES = "o.placed_at IS DISTINCT FROM n.placed_at OR o.confirmed_at IS DISTINCT FROM n.confirmed_at"
INSERTED = counting(*(added(columns, "new_facts") for columns in (OF_ORDERS, OF_PRODUCTS, OF_WAITS)), "mine")
UPDATED = counting(
    f"""(
        SELECT -1 AS sign, {", ".join(OF_ORDERS.split())} FROM old_facts
        UNION ALL SELECT 1, {", ".join(OF_ORDERS.split())} FROM new_facts
    ) AS f""",
    changed(OF_PRODUCTS, SALE_CHANGES),
    changed(OF_WAITS, WAIT_CHANGES),
    "mine",
)


def upgrade() -> None:
    for table in TABLES:
        op.execute(table)
    op.execute(SLOT)
    op.execute(STEP)
    op.execute(function("count_inserted_facts", INSERTED))
    op.execute(function("count_updated_facts", UPDATED))
    # The lock blocks writers until the commit. This migration counts existing facts, and the triggers count later ones.
    op.execute("LOCK TABLE order_facts IN SHARE ROW EXCLUSIVE MODE")
    op.execute(
        """
        CREATE TRIGGER count_inserted AFTER INSERT ON order_facts
        REFERENCING NEW TABLE AS new_facts FOR EACH STATEMENT EXECUTE FUNCTION count_inserted_facts()
        """
    )
    op.execute(
        """
        CREATE TRIGGER count_updated AFTER UPDATE ON order_facts
        REFERENCING OLD TABLE AS old_facts NEW TABLE AS new_facts
        FOR EACH STATEMENT EXECUTE FUNCTION count_updated_facts()
        """
    )
    backfill = (added(columns, "order_facts") for columns in (OF_ORDERS, OF_PRODUCTS, OF_WAITS))
    for statement in counting(*backfill, "CAST(0 AS smallint)"):
        op.execute(statement)
    op.execute("ALTER TABLE projection_state DROP CONSTRAINT projection_state_state_check")
    op.execute(
        """
        ALTER TABLE projection_state ADD CONSTRAINT projection_state_state_check
        CHECK (state IN ('BUILDING', 'ACTIVE', 'RETIRED', 'REMOVED', 'CANCELLED'))
        """
    )


def downgrade() -> None:
    op.execute("UPDATE projection_state SET state = 'REMOVED' WHERE state = 'CANCELLED'")
    op.execute("ALTER TABLE projection_state DROP CONSTRAINT projection_state_state_check")
    op.execute(
        """
        ALTER TABLE projection_state ADD CONSTRAINT projection_state_state_check
        CHECK (state IN ('BUILDING', 'ACTIVE', 'RETIRED', 'REMOVED'))
        """
    )
    op.execute("DROP TRIGGER count_updated ON order_facts")
    op.execute("DROP TRIGGER count_inserted ON order_facts")
    op.execute("DROP FUNCTION count_updated_facts")
    op.execute("DROP FUNCTION count_inserted_facts")
    op.execute("DROP FUNCTION funnel_step")
    op.execute("DROP FUNCTION totals_slot")
    for table in ("wait_totals", "product_totals", "order_totals"):
        op.execute(f"DROP TABLE {table}")
