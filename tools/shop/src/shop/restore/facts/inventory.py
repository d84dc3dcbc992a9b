"""Products and reservations, from the events of inventory.

No event tells the first stock of a product, or its replenishment. What was reserved was there: if the restored table
has too few pieces, they count as replenished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_PRODUCT = """
    INSERT INTO products (sku, name, price_minor, currency, version, initial, replenished, on_hand, reserved, sold)
    SELECT d ->> 'sku', d ->> 'name', (d -> 'price' ->> 'amount_minor')::bigint, d -> 'price' ->> 'currency',
           (d ->> 'version')::int, 0, 0, 0, 0, 0
    FROM e ON CONFLICT (sku) DO UPDATE
    SET name = excluded.name, price_minor = excluded.price_minor, currency = excluded.currency,
        version = excluded.version
    WHERE products.version < excluded.version
"""

_PIECES = """pieces AS (
        SELECT line ->> 'sku' AS sku, sum((line ->> 'quantity')::bigint)::bigint AS n
        FROM changed, jsonb_array_elements(changed.lines) AS line GROUP BY 1
    )"""

_RESERVE = f"""
    , changed AS (
        INSERT INTO reservations (order_id, state, lines, version, decided_at)
        SELECT (d ->> 'order_id')::uuid, 'RESERVED', d -> 'lines', (d ->> 'version')::int,
               (d ->> 'reserved_at')::timestamptz
        FROM e ON CONFLICT (order_id) DO NOTHING RETURNING lines
    ), {_PIECES}
    UPDATE products AS p
    SET reserved = reserved + n,
        replenished = replenished + greatest(0, reserved + n - on_hand),
        on_hand = greatest(on_hand, reserved + n)
    FROM pieces WHERE p.sku = pieces.sku
"""

_REJECT = """
    INSERT INTO reservations (order_id, state, lines, version, decided_at)
    SELECT (d ->> 'order_id')::uuid, 'REJECTED',
           (SELECT jsonb_agg(jsonb_build_object('sku', short -> 'sku', 'quantity', short -> 'requested'))
            FROM jsonb_array_elements(d -> 'shortages') AS short),
           (d ->> 'version')::int, (d ->> 'rejected_at')::timestamptz
    FROM e ON CONFLICT (order_id) DO NOTHING
"""


def _end(state: str, at: str, effect: str) -> str:
    return f"""
    , changed AS (
        UPDATE reservations AS r
        SET state = '{state}', version = (d ->> 'version')::int, ended_at = (d ->> '{at}')::timestamptz
        FROM e WHERE r.order_id = (d ->> 'order_id')::uuid AND r.state = 'RESERVED' RETURNING r.lines
    ), {_PIECES}
    UPDATE products AS p SET {effect} FROM pieces WHERE p.sku = pieces.sku
    """


_SELL = "on_hand = on_hand - n, reserved = reserved - n, sold = sold + n"

STATEMENTS: Mapping[str, Sequence[str]] = {
    "inventory.product-listed.v1": (_PRODUCT,),
    "inventory.product-priced.v1": (_PRODUCT,),
    "inventory.stock-reserved.v1": (_RESERVE,),
    "inventory.stock-rejected.v1": (_REJECT,),
    "inventory.stock-committed.v1": (_end("COMMITTED", "committed_at", _SELL),),
    "inventory.stock-released.v1": (_end("RELEASED", "released_at", "reserved = reserved - n"),),
}
