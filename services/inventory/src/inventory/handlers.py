"""One function per use case. Handlers know neither HTTP nor Kafka, and never commit.

A handler of events gets a whole batch. It runs the same few statements for one order as for 500.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain
from uuid import UUID

from chassis.events import CURRENCIES, Batch, Cause, Money, new_id
from chassis.outbox import Transaction
from chassis.postgres import Connection
from inventory import db, domain
from inventory.domain import Line, Product, Republication, Reservation, StockAction
from inventory.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderPlaced,
    OrderRejected,
    ProductListed,
    ProductPriced,
    Shortage,
    StockCommitted,
    StockLine,
    StockRejected,
    StockReleased,
    StockReserved,
)

# --- The saga -------------------------------------------------------------------------------------


async def reserve_stock(tx: Transaction, placed: Batch[OrderPlaced]) -> None:
    """Reserve stock for orders, first come first served. An order gets all of its lines or none.

    An order that already has a reservation or a tombstone is not changed, and no event is published.
    """
    now = datetime.now(UTC)
    requests = [_request(event.data) for event in placed]
    claimed = await db.claim_reservations(tx.connection, requests, now)
    requests = [request for request in requests if request.order_id in claimed]
    if not requests:
        return
    wanted = domain.quantities(line for request in requests for line in request.lines)
    available = await db.lock_products(tx.connection, wanted)
    decisions = domain.allocate(requests, available)
    await _carry_out(tx, decisions)
    causes = {event.data.order_id: event.cause for event in placed}
    for decision in decisions:
        tx.publish(_answer(decision, now), cause=causes[decision.request.order_id])


async def _carry_out(tx: Transaction, decisions: list[domain.Decision]) -> None:
    reserved = _pieces(decision.request.lines for decision in decisions if decision.is_accepted)
    if reserved:
        await db.move_stock(tx.connection, StockAction.RESERVE, reserved)
    rejected = [decision.request.order_id for decision in decisions if not decision.is_accepted]
    if rejected:
        await db.reject_claims(tx.connection, rejected)


async def commit_stock(tx: Transaction, confirmed: Batch[OrderConfirmed]) -> None:
    """Sell the stock that each order has reserved. An order whose stock is sold already is not changed.

    Raises UnknownReservation or IllegalTransition for an order that has no stock reserved.
    """
    now = datetime.now(UTC)
    causes = {event.data.order_id: event.cause for event in confirmed}
    locked = await db.lock_reservations(tx.connection, causes.keys())
    for order_id in causes:
        if order_id not in locked:
            raise domain.UnknownReservation(order_id)
    committed = domain.apply_action((locked[order_id] for order_id in causes), StockAction.COMMIT)
    await _save(tx, committed, StockAction.COMMIT, now)
    for reservation in committed:
        event = StockCommitted(
            order_id=reservation.order_id,
            version=reservation.version,
            lines=_lines(reservation.lines),
            committed_at=now,
        )
        tx.publish(event, cause=causes[reservation.order_id])


async def release_stock_of_rejected(tx: Transaction, rejected: Batch[OrderRejected]) -> None:
    """Release the stock of rejected orders. An order that was rejected as out of stock has none."""
    await _release_stock(tx, {event.data.order_id: event.cause for event in rejected})


async def release_stock_of_cancelled(tx: Transaction, cancelled: Batch[OrderCancelled]) -> None:
    """Release the stock of cancelled orders."""
    await _release_stock(tx, {event.data.order_id: event.cause for event in cancelled})


async def _release_stock(tx: Transaction, causes: Mapping[UUID, Cause]) -> None:
    """Release the stock of orders. An order without stock is not changed.

    An unknown order gets a tombstone. If its `OrderPlaced` arrives later, it reserves nothing.
    """
    now = datetime.now(UTC)
    await db.leave_tombstones(tx.connection, causes.keys(), now)
    locked = await db.lock_reservations(tx.connection, causes.keys())
    released = domain.apply_action((locked[order_id] for order_id in causes), StockAction.RELEASE)
    await _save(tx, released, StockAction.RELEASE, now)
    for reservation in released:
        event = StockReleased(
            order_id=reservation.order_id,
            version=reservation.version,
            lines=_lines(reservation.lines),
            released_at=now,
        )
        tx.publish(event, cause=causes[reservation.order_id])


async def _save(tx: Transaction, changed: list[Reservation], action: StockAction, now: datetime) -> None:
    if changed:
        await db.save_reservations(tx.connection, changed, now)
        await db.move_stock(tx.connection, action, _pieces(reservation.lines for reservation in changed))


def _request(order: OrderPlaced) -> domain.Request:
    return domain.Request(order.order_id, tuple(Line(line.sku, line.quantity) for line in order.lines))


def _answer(decision: domain.Decision, now: datetime) -> StockReserved | StockRejected:
    order_id = decision.request.order_id
    if decision.is_accepted:
        return StockReserved(
            order_id=order_id, version=1, lines=_lines(decision.request.lines), reserved_at=now
        )
    shortages = tuple(Shortage(**asdict(shortage)) for shortage in decision.shortages)
    return StockRejected(order_id=order_id, version=1, shortages=shortages, rejected_at=now)


def _lines(lines: Iterable[Line]) -> tuple[StockLine, ...]:
    return tuple(StockLine(sku=line.sku, quantity=line.quantity) for line in lines)


def _pieces(lines: Iterable[Iterable[Line]]) -> dict[str, int]:
    return domain.quantities(chain.from_iterable(lines))


# --- Products -------------------------------------------------------------------------------------


async def list_product(
    tx: Transaction, *, sku: str, name: str, price_minor: int, currency: str, on_hand: int
) -> Product:
    """List a product with its first stock. Raises InvalidSku, InvalidPrice, InvalidQuantity, ProductAlreadyListed."""
    domain.check_sku(sku)
    _check_price(price_minor, currency)
    domain.check_quantity(on_hand, 0, domain.LARGEST_INITIAL_STOCK)
    product = Product(
        sku=sku,
        name=name,
        price_minor=price_minor,
        currency=currency,
        version=1,
        initial=on_hand,
        replenished=0,
        on_hand=on_hand,
        reserved=0,
        sold=0,
    )
    if not await db.insert_product(tx.connection, product):
        raise domain.ProductAlreadyListed(sku)
    event = ProductListed(sku=sku, version=product.version, name=name, price=_price(product))
    tx.publish(event, cause=tx.root_cause(sku))
    return product


async def price_product(tx: Transaction, *, sku: str, price_minor: int, currency: str) -> Product:
    """Set a new price of a product. Raises InvalidSku, InvalidPrice, UnknownProduct."""
    domain.check_sku(sku)
    _check_price(price_minor, currency)
    product = await db.set_price(tx.connection, sku, price_minor, currency)
    if product is None:
        raise domain.UnknownProduct(sku)
    event = ProductPriced(sku=sku, version=product.version, name=product.name, price=_price(product))
    tx.publish(event, cause=tx.root_cause(sku))
    return product


async def replenish_product(tx: Transaction, *, sku: str, quantity: int) -> Product:
    """Add pieces to a product's stock. Raises InvalidSku, InvalidQuantity, UnknownProduct."""
    domain.check_sku(sku)
    domain.check_quantity(quantity, 1, domain.LARGEST_REPLENISHMENT)
    product = await db.add_stock(tx.connection, sku, quantity)
    if product is None:
        raise domain.UnknownProduct(sku)
    return product


def _check_price(price_minor: int, currency: str) -> None:
    """Check range and currency. Raises InvalidPrice."""
    domain.check_price(price_minor, currency)
    if currency not in CURRENCIES:
        raise domain.InvalidPrice(f"{currency} is not an active currency code of ISO 4217.")


def _price(product: Product) -> Money:
    return Money.of_row(product.price_minor, product.currency)


# --- Republication of the catalogue ---------------------------------------------------------------

REPUBLISH_PAGE = 200
"""Products per transaction. Orders cannot reserve stock while a page is written, so pages are small."""


async def open_republication(tx: Transaction) -> Republication:
    """Start a republication of the whole catalogue. While a republication is running, return that one instead."""
    tx.wake("republish-catalogue")
    return await db.open_republication(tx.connection, new_id())


async def republish_page(tx: Transaction) -> int:
    """Publish the next page of the running republication. Returns the number of its products.

    Products keep their versions. The topic is compacted: it keeps the last event of each key. If a new price committed
    between the read and the write of a page, the old price would be the last event. So the products of a page are
    locked until the commit.
    """
    running = await db.claim_republication(tx.connection)
    if running is None:
        return 0
    page = await db.lock_page(tx.connection, running.after_sku, REPUBLISH_PAGE)
    for product in page:
        kind = ProductListed if product.version == 1 else ProductPriced
        event = kind(sku=product.sku, version=product.version, name=product.name, price=_price(product))
        tx.publish(event, cause=tx.root_cause(product.sku))
    after_sku = page[-1].sku if page else running.after_sku
    is_last = len(page) < REPUBLISH_PAGE
    await db.save_republication(tx.connection, running.id, after_sku, len(page), is_last=is_last)
    return len(page)


async def read_republication(connection: Connection, id: UUID) -> Republication:
    """The republication with this id. Raises UnknownRepublication."""
    found = await db.republication(connection, id)
    if found is None:
        raise domain.UnknownRepublication(id)
    return found


# --- Reading --------------------------------------------------------------------------------------


async def read_product(connection: Connection, sku: str) -> Product:
    """The product with this SKU. Raises InvalidSku, UnknownProduct."""
    domain.check_sku(sku)
    product = await db.product(connection, sku)
    if product is None:
        raise domain.UnknownProduct(sku)
    return product


async def read_products(connection: Connection, after: str, limit: int) -> list[Product]:
    """At most `limit` products in the order of SKUs, beginning after the SKU `after`."""
    return await db.products_after(connection, after, limit)


async def read_reservation(connection: Connection, order_id: UUID) -> tuple[Reservation, db.ReservationTimes]:
    """An order's reservation with its times. Raises UnknownReservation."""
    found = await db.reservation(connection, order_id)
    if found is None:
        raise domain.UnknownReservation(order_id)
    return found
