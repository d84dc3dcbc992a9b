"""Tables and queries. Each query is one statement, for any number of orders or SKUs.

A transaction that moves stock acquires the stock lock first. Then it may lock reservations and products in any order,
because no other transaction that locks several of them runs at the same time. So replicas never deadlock.

The stock lock is one advisory lock for all stock. It is necessary because one transaction calls a handler for each
event type in its batch, and each handler locks its own SKUs. Without it, replica A could lock product 1 in its first
call and need product 2 in its second call, while replica B has locked product 2 and needs product 1.

A replica that waits for the stock lock has locked no reservation and no product yet, only its inbox rows. More messages
arrive while it waits, so its next batch is larger and needs fewer statements per event.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, insert

from chassis.postgres import Connection, Row
from inventory.domain import (
    EFFECTS,
    Line,
    NotEnoughStock,
    Product,
    Republication,
    Request,
    Reservation,
    State,
    StockAction,
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
    sa.Column("decided_at", sa.DateTime(timezone=True)),  # when stock was reserved or refused
    sa.Column("ended_at", sa.DateTime(timezone=True)),  # when stock was sold or released
)

# One row per republication of the catalogue, with its progress. At most one is running.
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


@dataclass(frozen=True, slots=True)
class ReservationTimes:
    """When stock was reserved or refused, and when it was sold or released; None if that did not happen.

    The end of a tombstone is the time when it was written. `decided_at` is None, too, if the reservation ended under a
    release before 0.2.0.
    """

    decided_at: datetime | None
    ended_at: datetime | None

    @property
    def last(self) -> datetime:
        """The later one of the two. Each reservation has one at least."""
        return max(moment for moment in (self.decided_at, self.ended_at) if moment is not None)


# --- Products -------------------------------------------------------------------------------------


async def insert_product(connection: Connection, product: Product) -> bool:
    """Insert a product. Returns False if the SKU exists."""
    statement = insert(products).values(asdict(product)).on_conflict_do_nothing().returning(products.c.sku)
    return await connection.row(statement) is not None


async def set_price(connection: Connection, sku: str, price_minor: int, currency: str) -> Product | None:
    """Set a price. Returns the product with its next version, or None if the SKU is unknown."""
    return await _update_product(
        connection,
        sku,
        {"price_minor": price_minor, "currency": currency, "version": products.c.version + 1},
    )


async def add_stock(connection: Connection, sku: str, quantity: int) -> Product | None:
    """Add ``quantity`` pieces. Returns the product, or None if the SKU is unknown."""
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
    """At most ``limit`` products in the order of SKUs, those after ``sku`` ("" is the start)."""
    statement = sa.select(products).where(products.c.sku > sku).order_by(products.c.sku).limit(limit)
    return [Product(**row) for row in await connection.rows(statement)]


# --- Stock, many SKUs at once ---------------------------------------------------------------------

_LOCK_PRODUCTS = sa.text("""
    SELECT sku, on_hand - reserved AS available
    FROM products
    WHERE sku = ANY (CAST(:skus AS text[]))
    ORDER BY sku
    FOR UPDATE
""")


async def lock_products(connection: Connection, skus: Collection[str]) -> dict[str, int]:
    """Lock products until the commit. Returns the available pieces per SKU, without unknown SKUs."""
    rows = await connection.rows(_LOCK_PRODUCTS, {"skus": list(skus)})
    return {row.sku: row.available for row in rows}


# The statement adds increments and never writes absolute counts. Its WHERE clause refuses an action for which there is
# too little stock, if a caller read the counts without a lock and they have changed. The table's CHECK constraints
# refuse it too.
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


async def move_stock(connection: Connection, action: StockAction, quantities: Mapping[str, int]) -> None:
    """Apply the effect of an action to each SKU (pieces per SKU). Raises NotEnoughStock."""
    effect = EFFECTS[action]
    moved = await connection.rows(
        _MOVE_STOCK,
        {"skus": list(quantities), "quantities": list(quantities.values()), **asdict(effect)},
    )
    if len(moved) != len(quantities):
        raise NotEnoughStock(action, quantities)


# --- Reservations, many orders at once ------------------------------------------------------------

# The stock lock is acquired within the first statement of each use case, so it needs no round trip of its own. A second
# call in the same transaction has the lock already.
_STOCK_LOCK = "stock_lock AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtext('inventory.stock')))"

_INSERT_RESERVATIONS = sa.text(f"""
    WITH {_STOCK_LOCK}
    INSERT INTO reservations (order_id, state, lines, version, decided_at, ended_at)
    SELECT order_id, :state, CAST(lines AS jsonb), 1, CAST(:decided_at AS timestamptz), CAST(:ended_at AS timestamptz)
    FROM stock_lock, unnest(CAST(:order_ids AS uuid[]), CAST(:lines AS text[])) AS claim (order_id, lines)
    ORDER BY order_id
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id
""")


async def claim_reservations(connection: Connection, requests: Sequence[Request], now: datetime) -> set[UUID]:
    """Insert a RESERVED reservation for each order that has none. Returns the ids of those orders.

    Acquires the stock lock. If another replica is inserting the same order, the statement waits for it. Therefore the
    claim comes before the decision: the replica that inserted the row decides, and an order is decided once.
    """
    return await _insert_reservations(
        connection,
        State.RESERVED,
        {request.order_id: json.dumps([asdict(line) for line in request.lines]) for request in requests},
        now,
    )


async def leave_tombstones(connection: Connection, order_ids: Collection[UUID], now: datetime) -> None:
    """Write a TOMBSTONE for each order that has no reservation, so that it can never get one.

    Acquires the stock lock.
    """
    await _insert_reservations(connection, State.TOMBSTONE, dict.fromkeys(order_ids, "[]"), now)


async def _insert_reservations(
    connection: Connection, state: State, lines: Mapping[UUID, str], now: datetime
) -> set[UUID]:
    rows = await connection.rows(
        _INSERT_RESERVATIONS,
        {
            "order_ids": list(lines),
            "lines": list(lines.values()),
            "state": state.value,
            "decided_at": now if state is State.RESERVED else None,
            "ended_at": now if state is State.TOMBSTONE else None,
        },
    )
    return {row.order_id for row in rows}


_REJECT_CLAIMS = sa.text("""
    UPDATE reservations SET state = 'REJECTED' WHERE order_id = ANY (CAST(:order_ids AS uuid[]))
""")


async def reject_claims(connection: Connection, order_ids: Collection[UUID]) -> None:
    """Make claims of this transaction REJECTED. They keep version 1, because no other transaction has seen them."""
    await connection.execute(_REJECT_CLAIMS, {"order_ids": list(order_ids)})


_LOCK_RESERVATIONS = sa.text(f"""
    WITH {_STOCK_LOCK}
    SELECT order_id, state, lines, version
    FROM stock_lock, reservations
    WHERE order_id = ANY (CAST(:order_ids AS uuid[]))
    ORDER BY order_id
    FOR UPDATE OF reservations
""")


async def lock_reservations(connection: Connection, order_ids: Collection[UUID]) -> dict[UUID, Reservation]:
    """Lock the reservations of these orders until the commit, in the order of order ids, and return them.

    Acquires the stock lock.
    """
    rows = await connection.rows(_LOCK_RESERVATIONS, {"order_ids": list(order_ids)})
    return {row.order_id: _reservation(row) for row in rows}


_SAVE_RESERVATIONS = sa.text("""
    UPDATE reservations
    SET state = saved.state, version = saved.version, ended_at = :now
    FROM unnest(CAST(:order_ids AS uuid[]), CAST(:states AS text[]), CAST(:versions AS int[]))
         AS saved (order_id, state, version)
    WHERE reservations.order_id = saved.order_id
""")


async def save_reservations(connection: Connection, changed: Sequence[Reservation], now: datetime) -> None:
    """Write state, version and end of reservations that this transaction has locked."""
    await connection.execute(
        _SAVE_RESERVATIONS,
        {
            "order_ids": [reservation.order_id for reservation in changed],
            "states": [reservation.state.value for reservation in changed],
            "versions": [reservation.version for reservation in changed],
            "now": now,
        },
    )


async def reservation(connection: Connection, order_id: UUID) -> tuple[Reservation, ReservationTimes] | None:
    """An order's reservation with its times, or None."""
    columns = reservations.c
    named = (
        columns.order_id,
        columns.state,
        columns.lines,
        columns.version,
        columns.decided_at,
        columns.ended_at,
    )
    row = await connection.row(sa.select(*named).where(columns.order_id == order_id))
    return (_reservation(row), ReservationTimes(row.decided_at, row.ended_at)) if row else None


def _reservation(row: Row) -> Reservation:
    lines = tuple(Line(line["sku"], line["quantity"]) for line in row.lines)
    return Reservation(row.order_id, State(row.state), lines, row.version)


# --- Republication of the catalogue ---------------------------------------------------------------

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
    """Insert a republication with this id, or return the running one."""
    while True:
        row = await connection.row(_OPEN_REPUBLICATION, {"id": id})
        if row is not None:  # no row: another republication was finished or opened while this statement ran
            return Republication(**row)


_CLAIM_REPUBLICATION = sa.text("""
    SELECT id, after_sku FROM republications WHERE finished_at IS NULL FOR UPDATE SKIP LOCKED
""")


async def claim_republication(connection: Connection) -> Row | None:
    """Lock the running republication. Returns (id, after_sku).

    Returns None if none is running, or if another replica has locked it.
    """
    return await connection.row(_CLAIM_REPUBLICATION)


# Statements that move stock lock the products of a batch in another order than a page does. Because of the stock lock,
# the two never run at the same time.
_LOCK_PAGE = sa.text(f"""
    WITH {_STOCK_LOCK}
    SELECT products.* FROM stock_lock, products WHERE sku > :after ORDER BY sku LIMIT :limit FOR UPDATE OF products
""")


async def lock_page(connection: Connection, after: str, limit: int) -> list[Product]:
    """Like `products_after`, and lock the products until the commit, so that price and stock stay as they are.

    Acquires the stock lock.
    """
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
    """Save the progress of a republication, in the transaction of the page that it has just published."""
    values = {"id": id, "after_sku": after_sku, "published": published, "is_last": is_last}
    await connection.execute(_SAVE_REPUBLICATION, values)


async def republication(connection: Connection, id: UUID) -> Republication | None:
    """The republication with this id."""
    columns = republications.c
    statement = sa.select(columns.id, columns.products, columns.requested_at, columns.finished_at)
    row = await connection.row(statement.where(columns.id == id))
    return Republication(**row) if row else None
