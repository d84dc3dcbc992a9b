"""Tables and queries. Each query is one statement, however many orders or SKUs it is about.

Locks are taken in one order, so that replicas never deadlock: first the turn, then reservations by order id,
then products by SKU.

The turn is a lock on stock as a whole. A consumer's transaction holds one call for each event type in its
batch, and the calls do not know each other's SKUs: the second call of one replica would wait for a product of
the other while it holds a product that the other's second call needs. Whoever waits for its turn holds
nothing that another needs, and meanwhile its partitions fill a larger batch.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from chassis.postgres import Connection, Row
from inventory.domain import (
    EFFECTS,
    Act,
    Line,
    Product,
    Republication,
    Request,
    Reservation,
    State,
    StockWouldNotHold,
)

metadata = sa.MetaData()

products = sa.Table(
    "products",
    metadata,
    sa.Column("sku", sa.Text(collation="C"), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("price_minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("initial", sa.BigInteger, nullable=False),
    sa.Column("replenished", sa.BigInteger, nullable=False),
    sa.Column("on_hand", sa.BigInteger, nullable=False),
    sa.Column("reserved", sa.BigInteger, nullable=False),
    sa.Column("sold", sa.BigInteger, nullable=False),
)

reservations = sa.Table(
    "reservations",
    metadata,
    sa.Column("order_id", sa.UUID, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("lines", JSONB, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
)

# How far the catalogue was published again. At most one is under way.
republications = sa.Table(
    "republications",
    metadata,
    sa.Column("id", sa.UUID, primary_key=True),
    sa.Column("after_sku", sa.Text(collation="C"), nullable=False, server_default=""),
    sa.Column("products", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("finished_at", sa.DateTime(timezone=True)),
    sa.Index(
        "republications_one_under_way",
        sa.text("(finished_at IS NULL)"),
        unique=True,
        postgresql_where=sa.text("finished_at IS NULL"),
    ),
)


# --- Products -------------------------------------------------------------------------------------


async def insert_product(connection: Connection, product: Product) -> bool:
    """False where the SKU is taken."""
    statement = insert(products).values(asdict(product)).on_conflict_do_nothing().returning(products.c.sku)
    return await connection.row(statement) is not None


async def set_price(connection: Connection, sku: str, price_minor: int, currency: str) -> Product | None:
    """The product with its new price and next version; None where the SKU is unknown."""
    return await _update_product(
        connection,
        sku,
        {"price_minor": price_minor, "currency": currency, "version": products.c.version + 1},
    )


async def add_stock(connection: Connection, sku: str, quantity: int) -> Product | None:
    """The product with ``quantity`` more pieces; None where the SKU is unknown."""
    return await _update_product(
        connection,
        sku,
        {"replenished": products.c.replenished + quantity, "on_hand": products.c.on_hand + quantity},
    )


async def _update_product(connection: Connection, sku: str, values: dict[str, Any]) -> Product | None:
    statement = sa.update(products).where(products.c.sku == sku).values(values).returning(*products.c)
    row = await connection.row(statement)
    return Product(**row) if row else None


async def product(connection: Connection, sku: str) -> Product | None:
    """The product with this SKU."""
    row = await connection.row(sa.select(products).where(products.c.sku == sku))
    return Product(**row) if row else None


async def products_after(connection: Connection, sku: str, limit: int) -> list[Product]:
    """Up to ``limit`` products in SKU order, from the one after ``sku`` ("" is the start)."""
    statement = sa.select(products).where(products.c.sku > sku).order_by(products.c.sku).limit(limit)
    return [Product(**row) for row in await connection.rows(statement)]


# --- Stock, many SKUs at once ---------------------------------------------------------------------

_LOCK_STOCK = sa.text("""
    SELECT sku, on_hand - reserved AS available
    FROM products
    WHERE sku = ANY (CAST(:skus AS text[]))
    ORDER BY sku
    FOR UPDATE
""")


async def lock_stock(connection: Connection, skus: Collection[str]) -> dict[str, int]:
    """Pieces available per SKU, held still until the commit. Unknown SKUs are left out."""
    rows = await connection.rows(_LOCK_STOCK, {"skus": list(skus)})
    return {row.sku: row.available for row in rows}


# Increments, never absolute counts, and a guard: should a caller decide on counts that were not locked,
# too little stock shows here. The table's CHECK constraints stand behind both.
_MOVE_STOCK = sa.text("""
    WITH moves AS (
        SELECT sku,
               quantity * CAST(:on_hand AS bigint) AS on_hand,
               quantity * CAST(:reserved AS bigint) AS reserved,
               quantity * CAST(:sold AS bigint) AS sold
        FROM unnest(CAST(:skus AS text[]), CAST(:quantities AS bigint[])) AS move (sku, quantity)
    )
    UPDATE products
    SET on_hand = products.on_hand + moves.on_hand,
        reserved = products.reserved + moves.reserved,
        sold = products.sold + moves.sold
    FROM moves
    WHERE products.sku = moves.sku
      AND products.reserved + moves.reserved BETWEEN 0 AND products.on_hand + moves.on_hand
    RETURNING products.sku
""")


async def move_stock(connection: Connection, act: Act, quantities: Mapping[str, int]) -> None:
    """Applies the act's effect to each SKU (pieces per SKU). Raises StockWouldNotHold."""
    effect = EFFECTS[act]
    moved = await connection.rows(
        _MOVE_STOCK,
        {"skus": list(quantities), "quantities": list(quantities.values()), **asdict(effect)},
    )
    if len(moved) != len(quantities):
        raise StockWouldNotHold(act, quantities)


# --- Reservations, many orders at once ------------------------------------------------------------

# Part of the first statement of every use case, so that it costs no round trip. A second call finds it taken.
_TURN = "turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtext('inventory.stock')))"

_INSERT_RESERVATIONS = sa.text(f"""
    WITH {_TURN}
    INSERT INTO reservations (order_id, state, lines, version, updated_at)
    SELECT order_id, :state, CAST(lines AS jsonb), 1, :now
    FROM turn, unnest(CAST(:order_ids AS uuid[]), CAST(:lines AS text[])) AS claim (order_id, lines)
    ORDER BY order_id
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id
""")


async def claim_reservations(connection: Connection, requests: Sequence[Request], now: datetime) -> set[UUID]:
    """Inserts a RESERVED reservation for each order that has none yet: the ids of those orders.

    Waits for another replica that is inserting the same order. That is why the claim comes first and the
    decision after it: whoever has the row decides, and nobody decides twice.
    """
    return await _insert_reservations(
        connection,
        State.RESERVED,
        {request.order_id: json.dumps([asdict(line) for line in request.lines]) for request in requests},
        now,
    )


async def leave_tombstones(connection: Connection, order_ids: Collection[UUID], now: datetime) -> None:
    """Marks the orders that have no reservation, so that they can never get one."""
    await _insert_reservations(connection, State.TOMBSTONE, dict.fromkeys(order_ids, "[]"), now)


async def _insert_reservations(
    connection: Connection, state: State, lines: Mapping[UUID, str], now: datetime
) -> set[UUID]:
    rows = await connection.rows(
        _INSERT_RESERVATIONS,
        {"order_ids": list(lines), "lines": list(lines.values()), "state": state.value, "now": now},
    )
    return {row.order_id for row in rows}


_REJECT_CLAIMS = sa.text("""
    UPDATE reservations SET state = 'REJECTED' WHERE order_id = ANY (CAST(:order_ids AS uuid[]))
""")


async def reject_claims(connection: Connection, order_ids: Collection[UUID]) -> None:
    """Turns claims of this very transaction into REJECTED: still version 1, nobody saw them before."""
    await connection.execute(_REJECT_CLAIMS, {"order_ids": list(order_ids)})


_LOCK_RESERVATIONS = sa.text(f"""
    WITH {_TURN}
    SELECT order_id, state, lines, version
    FROM turn, reservations
    WHERE order_id = ANY (CAST(:order_ids AS uuid[]))
    ORDER BY order_id
    FOR UPDATE OF reservations
""")


async def lock_reservations(connection: Connection, order_ids: Collection[UUID]) -> dict[UUID, Reservation]:
    """The reservations of these orders, by order id, held still until the commit."""
    rows = await connection.rows(_LOCK_RESERVATIONS, {"order_ids": list(order_ids)})
    return {row.order_id: _reservation(row) for row in rows}


_SAVE_RESERVATIONS = sa.text("""
    UPDATE reservations
    SET state = saved.state, version = saved.version, updated_at = :now
    FROM unnest(CAST(:order_ids AS uuid[]), CAST(:states AS text[]), CAST(:versions AS int[]))
         AS saved (order_id, state, version)
    WHERE reservations.order_id = saved.order_id
""")


async def save_reservations(connection: Connection, changed: Sequence[Reservation], now: datetime) -> None:
    """Writes the state and version of reservations that this transaction has locked."""
    await connection.execute(
        _SAVE_RESERVATIONS,
        {
            "order_ids": [reservation.order_id for reservation in changed],
            "states": [reservation.state.value for reservation in changed],
            "versions": [reservation.version for reservation in changed],
            "now": now,
        },
    )


async def reservation(connection: Connection, order_id: UUID) -> tuple[Reservation, datetime] | None:
    """An order's reservation, and when it last changed."""
    statement = sa.select(reservations).where(reservations.c.order_id == order_id)
    row = await connection.row(statement)
    return (_reservation(row), row.updated_at) if row else None


def _reservation(row: Row) -> Reservation:
    lines = tuple(Line(line["sku"], line["quantity"]) for line in row.lines)
    return Reservation(row.order_id, State(row.state), lines, row.version)


# --- The catalogue, published again ---------------------------------------------------------------

_OPEN_REPUBLICATION = sa.text("""
    WITH opened AS (
        INSERT INTO republications (id) VALUES (:id) ON CONFLICT DO NOTHING
        RETURNING id, products, requested_at, finished_at
    )
    SELECT * FROM opened
    UNION ALL
    SELECT id, products, requested_at, finished_at FROM republications WHERE finished_at IS NULL
    LIMIT 1
""")


async def open_republication(connection: Connection, id: UUID) -> Republication:
    """A new republication under this id, or the one that is under way."""
    while True:
        row = await connection.row(_OPEN_REPUBLICATION, {"id": id})
        if row is not None:  # none: the one under way was finished, or opened, between the two halves
            return Republication(**row)


_CLAIM_REPUBLICATION = sa.text("""
    SELECT id, after_sku FROM republications WHERE finished_at IS NULL FOR UPDATE SKIP LOCKED
""")


async def claim_republication(connection: Connection) -> Row | None:
    """(id, after_sku) of the republication that is under way, unless another replica is at its next page."""
    return await connection.row(_CLAIM_REPUBLICATION)


# Stock moves lock the products of one batch in no order that a page could keep to. The turn keeps them apart.
_LOCK_PAGE = sa.text(f"""
    WITH {_TURN}
    SELECT products.* FROM turn, products WHERE sku > :after ORDER BY sku LIMIT :limit FOR UPDATE OF products
""")


async def lock_page(connection: Connection, after: str, limit: int) -> list[Product]:
    """Like `products_after`, held still until the commit: also their prices and their stock."""
    return [Product(**row) for row in await connection.rows(_LOCK_PAGE, {"after": after, "limit": limit})]


_SAVE_REPUBLICATION = sa.text("""
    UPDATE republications
    SET after_sku = :after_sku, products = products + :published,
        finished_at = CASE WHEN CAST(:is_last AS boolean) THEN now() END
    WHERE id = :id
""")


async def save_republication(
    connection: Connection, id: UUID, after_sku: str, published: int, *, is_last: bool
) -> None:
    """Write down how far a republication is, with the page that it has just published."""
    values = {"id": id, "after_sku": after_sku, "published": published, "is_last": is_last}
    await connection.execute(_SAVE_REPUBLICATION, values)


async def republication(connection: Connection, id: UUID) -> Republication | None:
    """The republication with this id."""
    columns = republications.c
    statement = sa.select(columns.id, columns.products, columns.requested_at, columns.finished_at)
    row = await connection.row(statement.where(columns.id == id))
    return Republication(**row) if row else None
