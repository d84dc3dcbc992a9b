"""Tables of the orders database, and every query on them.

Statements that run once per order or per batch are plain SQL. Each needs one round trip, for a batch of any size.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from chassis.events import Money
from chassis.postgres import Connection, Row
from orders.domain import Basket, OrderState, Price
from orders.events import ProductListed, ProductPriced

metadata = MetaData()

orders = Table(
    "orders",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("total_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    # `lines` is [{sku, quantity, unit_price_minor}] and `history` is [{event, state, at, reason?}]. Both are always
    # read and written together with their order. So they are columns of its row, and an order needs one INSERT and one
    # UPDATE in all.
    Column("lines", JSONB, nullable=False),
    Column("history", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    Column("placed_at", DateTime(timezone=True), nullable=False),
    Column("deadline_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    # The trace in which the order was placed. A cancellation continues it.
    Column("traceparent", Text),
    CheckConstraint("state IN ('PENDING', 'CONFIRMED', 'REJECTED', 'CANCELLED')", name="orders_state"),
    CheckConstraint("(state = 'PENDING') = (ended_at IS NULL)", name="orders_ended"),
    CheckConstraint("(state IN ('REJECTED', 'CANCELLED')) = (reason IS NOT NULL)", name="orders_reason"),
    CheckConstraint("total_minor >= 0", name="orders_total"),
)
# An order's id is a UUIDv7, so descending ids are newest first.
Index("orders_by_customer", orders.c.customer_id, orders.c.id)
Index("orders_pending_deadline", orders.c.deadline_at, postgresql_where=text("state = 'PENDING'"))
Index("orders_pending_of_customer", orders.c.customer_id, postgresql_where=text("state = 'PENDING'"))

prices = Table(
    "prices",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("price_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("version", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Terms:
    """The facts that a new order needs: prices, the number of its customer's PENDING orders, the database's time."""

    prices: Mapping[str, Price]
    pending: int
    read_at: datetime


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A new order. `event` is the type of the first event in its history."""

    id: UUID
    customer_id: str
    basket: Basket
    placed_at: datetime
    deadline_at: datetime
    traceparent: str | None
    event: str


@dataclass(frozen=True, slots=True)
class FinalState:
    """The state in which orders end. `event` is the event type that the history stores."""

    state: OrderState
    event: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class EndedOrder:
    """An order that has just ended, with the fields of its event."""

    id: UUID
    version: int
    customer_id: str
    total_minor: int
    currency: str
    traceparent: str | None
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class MissingOrder:
    """An order that is missing in the database, with the fields that the events of other services contain."""

    id: UUID
    customer_id: str
    total: Money


@dataclass(frozen=True, slots=True)
class WaitingOrders:
    """The PENDING orders: how many, how many of them are late, and the age of the oldest one, or 0."""

    number: int
    late: int
    oldest_seconds: float


# The database's clock gives `placed_at`, and the job compares the deadline with the same clock. One statement returns
# the prices, the time and the number of PENDING orders, which saves round trips. It returns one row with the time even
# if no SKU matches. The count reads the index `orders_pending_of_customer`, and stops at `at_most`.
_TERMS_OF = text("""
    SELECT facts.now, facts.open_orders, sku, price_minor, currency
    FROM (
        SELECT now() AS now, (
            SELECT count(*) FROM (
                SELECT FROM orders WHERE customer_id = :customer_id AND state = 'PENDING' LIMIT :at_most
            ) AS counted
        ) AS open_orders
    ) AS facts LEFT JOIN prices ON sku = ANY(CAST(:skus AS text[]))
""")

_HAS_PRICES = text("SELECT EXISTS (SELECT FROM prices)")

_UPSERT_PRICES = text("""
    INSERT INTO prices (sku, name, price_minor, currency, version)
    SELECT * FROM unnest(CAST(:skus AS text[]), CAST(:names AS text[]), CAST(:amounts AS bigint[]),
                         CAST(:currencies AS text[]), CAST(:versions AS integer[]))
    ON CONFLICT (sku) DO UPDATE
    SET name = excluded.name, price_minor = excluded.price_minor,
        currency = excluded.currency, version = excluded.version
    WHERE prices.version < excluded.version
""")

_INSERT_ORDER = text("""
    INSERT INTO orders (id, customer_id, state, total_minor, currency, lines, history, version,
                        placed_at, deadline_at, traceparent)
    VALUES (:id, :customer_id, 'PENDING', :total_minor, :currency, :lines, :history, 1,
            :placed_at, :deadline_at, :traceparent)
""")

# If two transactions end the same order, one wins. Both statements below are made from _END. In a cancellation or a
# handler (_END_GIVEN) the second transaction waits for the row lock, sees that the order is not PENDING, and gets no
# row. The job of overdue orders (_END_OVERDUE) skips a locked row.
_END = """
    UPDATE orders
    SET state = :state, reason = CAST(:reason AS text), version = version + 1, ended_at = now(),
        history = history || jsonb_set(CAST(:entry AS jsonb), '{{at}}', to_jsonb(now()))
    WHERE id = ANY({chosen}) AND state = 'PENDING'
    RETURNING id, version, customer_id, total_minor, currency, traceparent, ended_at
"""

_END_GIVEN = text(_END.format(chosen="CAST(:ids AS uuid[])"))

# Several replicas may run this at the same time: each skips rows that another replica has locked. The LIMIT keeps the
# transaction short. ARRAY(...) is evaluated once. A joined subquery could run once per row and exceed the limit.
_END_OVERDUE = text(
    _END.format(
        chosen="""ARRAY(
        SELECT id FROM orders WHERE state = 'PENDING' AND deadline_at < now()
        ORDER BY deadline_at LIMIT :limit FOR UPDATE SKIP LOCKED)"""
    )
)


_KNOWN = text("SELECT id FROM orders WHERE id = ANY(CAST(:ids AS uuid[]))")

_INSERT_MISSING = text("""
    INSERT INTO orders (id, customer_id, state, reason, total_minor, currency, lines, history, version,
                        placed_at, deadline_at, ended_at)
    SELECT id, customer_id, 'CANCELLED', :reason, total_minor, currency, '[]',
           jsonb_build_array(jsonb_set(CAST(:entry AS jsonb), '{at}', to_jsonb(now()))), 2,
           now(), now(), now()
    FROM unnest(CAST(:ids AS uuid[]), CAST(:customers AS text[]), CAST(:totals AS bigint[]),
                CAST(:currencies AS text[])) AS missing (id, customer_id, total_minor, currency)
    ORDER BY id
    ON CONFLICT (id) DO NOTHING
    RETURNING id, version, customer_id, total_minor, currency, traceparent, ended_at
""")

_PENDING = text("SELECT count(*) FROM (SELECT FROM orders WHERE state = 'PENDING' LIMIT :limit) AS pending")


# It reads the partial index of PENDING orders.
_WAITING = text("""
    SELECT count(*) AS number,
           count(*) FILTER (WHERE placed_at < now() - make_interval(secs => CAST(:late_seconds AS float8))) AS late,
           greatest(0, coalesce(extract(epoch FROM now() - min(placed_at)), 0))::float8 AS oldest_seconds
    FROM orders WHERE state = 'PENDING'
""")


async def terms_of(connection: Connection, skus: Collection[str], customer_id: str, at_most: int) -> Terms:
    """The prices of those `skus` that are in the price list, and the customer's PENDING orders.

    Counting stops at `at_most`. PENDING orders of transactions that have not committed yet are not counted.
    """
    asked = {"skus": list(skus), "customer_id": customer_id, "at_most": at_most}
    rows = await connection.rows(_TERMS_OF, asked)
    prices = {row.sku: Price(row.price_minor, row.currency) for row in rows if row.sku is not None}
    return Terms(prices, rows[0].open_orders, rows[0].now)


async def has_prices(connection: Connection) -> bool:
    """Whether the price list has an entry."""
    return bool(await connection.value(_HAS_PRICES))


async def upsert_prices(connection: Connection, products: Sequence[ProductListed | ProductPriced]) -> None:
    """Store each product (one entry per SKU) whose version is newer than the stored one."""
    ordered = sorted(products, key=lambda product: product.sku)  # all replicas lock in the same order
    await connection.execute(
        _UPSERT_PRICES,
        {
            "skus": [product.sku for product in ordered],
            "names": [product.name for product in ordered],
            "amounts": [product.price.amount_minor for product in ordered],
            "currencies": [product.price.currency for product in ordered],
            "versions": [product.version for product in ordered],
        },
    )


async def insert_order(connection: Connection, order: NewOrder) -> None:
    """Write a PENDING order of version 1."""
    lines = [
        {"sku": line.sku, "quantity": line.quantity, "unit_price_minor": line.unit_price_minor}
        for line in order.basket.lines
    ]
    await connection.execute(
        _INSERT_ORDER,
        {
            "id": order.id,
            "customer_id": order.customer_id,
            "total_minor": order.basket.total_minor,
            "currency": order.basket.currency,
            "lines": json.dumps(lines),
            "history": json.dumps([_history_entry(order.event, OrderState.PENDING, at=order.placed_at)]),
            "placed_at": order.placed_at,
            "deadline_at": order.deadline_at,
            "traceparent": order.traceparent,
        },
    )


async def end_orders(connection: Connection, ids: Collection[UUID], final: FinalState) -> list[EndedOrder]:
    """End those orders of `ids` that are PENDING, and return them. Other orders are not changed."""
    # Sorted, so that overlapping batches lock their rows in the same order.
    rows = await connection.rows(_END_GIVEN, {"ids": sorted(ids), **_columns(final)})
    return [_ended(row) for row in rows]


async def known_orders(connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Those `ids` that are in the orders table, in any state."""
    return {row.id for row in await connection.rows(_KNOWN, {"ids": list(ids)})}


async def insert_missing_orders(
    connection: Connection, missing: Sequence[MissingOrder], final: FinalState
) -> list[EndedOrder]:
    """Insert missing orders in their final state. Returns those that were inserted."""
    rows = await connection.rows(
        _INSERT_MISSING,
        {
            "ids": [order.id for order in missing],
            "customers": [order.customer_id for order in missing],
            "totals": [order.total.amount_minor for order in missing],
            "currencies": [order.total.currency for order in missing],
            "reason": final.reason,
            "entry": _columns(final)["entry"],
        },
    )
    return [_ended(row) for row in rows]


async def end_overdue_orders(connection: Connection, limit: int, final: FinalState) -> list[EndedOrder]:
    """End at most `limit` orders that are PENDING past their deadline, the oldest deadline first."""
    rows = await connection.rows(_END_OVERDUE, {"limit": limit, **_columns(final)})
    return [_ended(row) for row in rows]


async def waiting_orders(connection: Connection, late_seconds: float) -> WaitingOrders:
    """The PENDING orders. An order is late if it is PENDING for more than `late_seconds`."""
    row = await connection.row(_WAITING, {"late_seconds": late_seconds})
    assert row is not None
    return WaitingOrders(row.number, row.late, row.oldest_seconds)


async def pending_orders(connection: Connection, limit: int) -> int:
    """The number of PENDING orders. Counting stops at `limit`."""
    return int(await connection.value(_PENDING, {"limit": limit}))


async def order_of(connection: Connection, order_id: UUID) -> Row | None:
    """The whole row of an order."""
    return await connection.row(select(orders).where(orders.c.id == order_id))


async def orders_of(
    connection: Connection, customer_id: str, limit: int, before: UUID | None, state: OrderState | None
) -> Sequence[Row]:
    """A page of a customer's orders, newest first: those older than `before`, and those in `state` if it is given."""
    query = select(orders).where(orders.c.customer_id == customer_id)
    if state is OrderState.PENDING:  # a literal, so that PostgreSQL can use the partial index on PENDING rows
        query = query.where(text("state = 'PENDING'"))
    elif state is not None:
        query = query.where(orders.c.state == state.value)
    if before is not None:
        query = query.where(orders.c.id < before)
    return await connection.rows(query.order_by(orders.c.id.desc()).limit(limit))


async def price_page(connection: Connection, limit: int, after: str | None) -> Sequence[Row]:
    """A page of the price list in the order of SKUs: those after `after`."""
    query = select(prices)
    if after is not None:
        query = query.where(prices.c.sku > after)
    return await connection.rows(query.order_by(prices.c.sku).limit(limit))


def _history_entry(
    event: str, state: OrderState, *, reason: str | None = None, at: datetime | None = None
) -> dict[str, str]:
    entry = {"event": event, "state": state.value}
    if at is not None:
        entry["at"] = at.isoformat()
    if reason is not None:
        entry["reason"] = reason
    return entry


def _columns(final: FinalState) -> dict[str, object]:
    return {
        "state": final.state.value,
        "reason": final.reason,
        "entry": json.dumps(_history_entry(final.event, final.state, reason=final.reason)),
    }


def _ended(row: Row) -> EndedOrder:
    return EndedOrder(
        row.id, row.version, row.customer_id, row.total_minor, row.currency, row.traceparent, row.ended_at
    )
