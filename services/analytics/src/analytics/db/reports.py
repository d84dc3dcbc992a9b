"""The reports. Each is one statement over the totals. So it reads one generation, and its time does not grow with the
number of orders.
"""

from typing import Any

from sqlalchemy import text

from chassis.postgres import Connection

_ACTIVE = "generation = (SELECT generation FROM projection_state WHERE state = 'ACTIVE')"


async def orders_by_state(connection: Connection) -> list[dict[str, Any]]:
    """Columns: state, orders. An order is counted as soon as an event from `orders.order.v1` was handled."""
    return await _rows(
        connection,
        f"""
        SELECT order_state AS state, CAST(sum(orders) AS bigint) AS orders FROM order_totals
        WHERE {_ACTIVE} AND order_state <> ''
        GROUP BY order_state HAVING sum(orders) > 0 ORDER BY order_state
        """,
    )


async def revenue(connection: Connection) -> list[dict[str, Any]]:
    """Columns: currency, confirmed_orders, revenue_minor, refunds, refunded_minor. Amounts have any size."""
    rows = await _rows(
        connection,
        f"""
        SELECT currency,
               CAST(coalesce(sum(orders) FILTER (WHERE order_state = 'CONFIRMED'), 0) AS bigint)
                   AS confirmed_orders,
               coalesce(sum(total_minor) FILTER (WHERE order_state = 'CONFIRMED'), 0) AS revenue_minor,
               CAST(sum(refunds) AS bigint) AS refunds,
               sum(refunded_minor) AS refunded_minor
        FROM order_totals WHERE {_ACTIVE} AND currency <> ''
        GROUP BY currency HAVING sum(orders) > 0 ORDER BY currency
        """,
    )
    return [_with_integers(row, "revenue_minor", "refunded_minor") for row in rows]


async def top_products(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """Columns: sku, name (None if not known), currency, quantity, revenue_minor. The largest quantity comes first."""
    rows = await _rows(
        connection,
        f"""
        WITH sold AS (
            SELECT sku, currency, sum(quantity) AS quantity, sum(revenue_minor) AS revenue_minor
            FROM product_totals WHERE {_ACTIVE}
            GROUP BY sku, currency HAVING sum(quantity) > 0
            ORDER BY quantity DESC, revenue_minor DESC, sku, currency LIMIT :limit
        )
        SELECT sold.sku, p.name, sold.currency, sold.quantity, sold.revenue_minor
        FROM sold LEFT JOIN product_facts AS p ON p.sku = sold.sku AND p.{_ACTIVE}
        ORDER BY sold.quantity DESC, sold.revenue_minor DESC, sold.sku, sold.currency
        """,
        limit=limit,
    )
    return [_with_integers(row, "quantity", "revenue_minor") for row in rows]


async def time_to_confirm(connection: Connection) -> dict[str, Any]:
    """Columns: orders, p50, p90, p99. Seconds from `placed_at` to `confirmed_at`; None while no order is confirmed.

    The figures are exact to the microsecond, and interpolated like PostgreSQL's percentile_cont. The statement finds a
    rank in the tree of wait_totals: it reads all buckets of the top level, and then one bucket's children per level.
    """
    (row,) = await _rows(
        connection,
        f"""
        WITH RECURSIVE active AS (
            SELECT generation FROM projection_state WHERE state = 'ACTIVE'
        ), counted AS (
            SELECT CAST(coalesce(sum(orders), 0) AS bigint) AS orders FROM wait_totals
            WHERE {_ACTIVE} AND bits = 24
        ), places AS (
            SELECT name, share * (orders - 1) AS place, orders
            FROM counted CROSS JOIN (VALUES ('p50', 0.5), ('p90', 0.9), ('p99', 0.99)) AS p (name, share)
            WHERE orders > 0
        ), found (rank, bits, bucket, rest) AS (
            SELECT rank, 32, CAST(0 AS bigint), rank
            FROM (
                SELECT floor(place) AS rank FROM places UNION SELECT ceil(place) FROM places
            ) AS ranks
            UNION ALL
            SELECT found.rank, found.bits - 8, below.bucket, found.rest - below.before
            FROM found CROSS JOIN LATERAL (
                SELECT bucket, upto - orders AS before
                FROM (
                    SELECT w.bucket, sum(w.orders) AS orders, sum(sum(w.orders)) OVER (ORDER BY w.bucket) AS upto
                    FROM wait_totals AS w
                    WHERE w.generation = (SELECT generation FROM active) AND w.bits = found.bits - 8
                      AND w.bucket >= CASE WHEN found.bits = 32 THEN -1099511627776 ELSE found.bucket << 8 END
                      AND w.bucket <= CASE WHEN found.bits = 32 THEN 1099511627776
                                           ELSE (found.bucket << 8) + 255 END
                    GROUP BY w.bucket
                ) AS level
                WHERE upto > found.rest ORDER BY bucket LIMIT 1
            ) AS below
            WHERE found.bits > 0
        ), percentiles AS (
            SELECT name, (low.bucket + (high.bucket - low.bucket) * (place - floor(place))) / 1000000 AS seconds
            FROM places
            JOIN found AS low ON low.bits = 0 AND low.rank = floor(place)
            JOIN found AS high ON high.bits = 0 AND high.rank = ceil(place)
        )
        SELECT (SELECT orders FROM counted) AS orders,
               CAST(max(seconds) FILTER (WHERE name = 'p50') AS float8) AS p50,
               CAST(max(seconds) FILTER (WHERE name = 'p90') AS float8) AS p90,
               CAST(max(seconds) FILTER (WHERE name = 'p99') AS float8) AS p99
        FROM percentiles
        """,
    )
    return row


async def funnel(connection: Connection) -> dict[str, int]:
    """The number of orders that reached each step. An order counts for a step if it reached all steps before it."""
    (row,) = await _rows(
        connection,
        f"""
        SELECT coalesce(CAST(sum(orders) AS bigint), 0) AS placed,
               coalesce(CAST(sum(orders) FILTER (WHERE step >= 2) AS bigint), 0) AS reserved,
               coalesce(CAST(sum(orders) FILTER (WHERE step >= 3) AS bigint), 0) AS captured,
               coalesce(CAST(sum(orders) FILTER (WHERE step >= 4) AS bigint), 0) AS confirmed,
               coalesce(CAST(sum(orders) FILTER (WHERE step >= 5) AS bigint), 0) AS notified
        FROM order_totals WHERE {_ACTIVE} AND step >= 1
        """,
    )
    return row


async def _rows(connection: Connection, query: str, **values: object) -> list[dict[str, Any]]:
    return [dict(row) for row in await connection.rows(text(query), values)]


def _with_integers(row: dict[str, Any], *columns: str) -> dict[str, Any]:
    """Convert Decimals to integers: these columns are PostgreSQL's numeric, with whole numbers of any size."""
    return row | {column: int(row[column]) for column in columns}
