"""The use cases of the orders service, one function each. The caller opens and commits the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from chassis.events import Batch, Cause, Money, new_id
from chassis.outbox import Transaction
from orders import db, domain
from orders.domain import CancellationReason, OrderState, RejectionReason
from orders.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderLine,
    OrderPlaced,
    OrderRejected,
    PaymentCaptured,
    PaymentDeclined,
    ProductListed,
    ProductPriced,
    StockRejected,
)

MAX_CANCELLED_AT_ONCE = 500
"""Maximum number of overdue orders that one transaction cancels."""
log = structlog.get_logger("orders")


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """An order as the customer asks for it. The payment token is stored only in the outbox row of `OrderPlaced`.

    It is refused if the customer has `most_pending` PENDING orders.
    """

    customer_id: str
    items: Sequence[domain.Item]
    currency: str
    payment_token: str
    time_limit: timedelta
    most_pending: int


@dataclass(frozen=True, slots=True)
class OrderReceipt:
    """The immediate answer to the customer. The outcome of the order is known later."""

    order_id: UUID
    total: Money
    deadline_at: datetime


async def place_order(tx: Transaction, order: PlaceOrder) -> OrderReceipt:
    """Price the order by this service's own price list, write it as PENDING, and publish `OrderPlaced`.

    Raises PriceListMissing, UnknownSku, CurrencyNotOffered, TotalTooLarge, or TooManyPendingOrders.
    """
    basket, now = await _price(tx, order)
    order_id = new_id()
    cause = tx.root_cause(str(order_id))
    placed = OrderPlaced(
        order_id=order_id,
        version=1,
        customer_id=order.customer_id,
        lines=_order_lines(basket),
        total=Money.of_row(basket.total_minor, basket.currency),
        payment_token=order.payment_token,
        placed_at=now,
        deadline_at=now + order.time_limit,
    )
    await db.insert_order(
        tx.connection,
        db.NewOrder(
            id=order_id,
            customer_id=placed.customer_id,
            basket=basket,
            placed_at=placed.placed_at,
            deadline_at=placed.deadline_at,
            traceparent=cause.traceparent,
            event=OrderPlaced.event_type,
        ),
    )
    tx.publish(placed, cause=cause)
    return OrderReceipt(order_id, placed.total, placed.deadline_at)


async def _price(tx: Transaction, order: PlaceOrder) -> tuple[domain.Basket, datetime]:
    """The order at the prices of now, and the database's time. Raises an OrderError if it cannot be accepted."""
    skus = [item.sku for item in order.items]
    terms = await db.terms_of(tx.connection, skus, order.customer_id, order.most_pending)
    if not terms.prices and not await db.has_prices(tx.connection):
        raise domain.PriceListMissing
    basket = domain.price_items(order.items, order.currency, terms.prices)
    domain.check_pending(terms.pending, order.most_pending)
    return basket, terms.read_at


def _order_lines(basket: domain.Basket) -> list[OrderLine]:
    return [
        OrderLine(
            sku=line.sku,
            quantity=line.quantity,
            unit_price=Money.of_row(line.unit_price_minor, basket.currency),
        )
        for line in basket.lines
    ]


async def confirm_order(tx: Transaction, events: Batch[PaymentCaptured]) -> None:
    """Confirm orders whose payment was captured. An order that has ended is not changed.

    If it was cancelled, payments refunds the payment. An order that is not in the database is inserted as CANCELLED.
    Raises CaptureMismatch if the captured amount is not the order's total.
    """
    captures = {event.data.order_id: event for event in events}
    confirmation = db.FinalState(OrderState.CONFIRMED, OrderConfirmed.event_type)
    ended = await db.end_orders(tx.connection, captures, confirmation)
    for order in ended:
        capture = captures[order.id]
        total = Money.of_row(order.total_minor, order.currency)
        if capture.data.amount != total:
            raise domain.CaptureMismatch(str(order.id))
        confirmed = OrderConfirmed(
            order_id=order.id,
            version=order.version,
            customer_id=order.customer_id,
            total=total,
            confirmed_at=order.ended_at,
        )
        tx.publish(confirmed, cause=capture.cause)
    await _cancel_missing_orders(tx, events, ended)


async def reject_unstocked_order(tx: Transaction, events: Batch[StockRejected]) -> None:
    """Reject orders for which inventory has too little stock. An order that has ended is not changed.

    The published event names the products, so that the customer can be told.
    """
    causes = {event.data.order_id: event.cause for event in events}
    sold_out = {event.data.order_id: [short.sku for short in event.data.shortages] for event in events}
    await _reject(tx, causes, RejectionReason.OUT_OF_STOCK, sold_out)


async def reject_unpaid_order(tx: Transaction, events: Batch[PaymentDeclined]) -> None:
    """Reject orders whose payment was declined, for any reason. An order that has ended is not changed.

    An order that is not in the database is inserted as CANCELLED.
    """
    causes = {event.data.order_id: event.cause for event in events}
    ended = await _reject(tx, causes, RejectionReason.PAYMENT_DECLINED, {})
    await _cancel_missing_orders(tx, events, ended)


async def cancel_order(tx: Transaction, order_id: UUID, customer_id: str) -> None:
    """Cancel an order for its customer. Safe to repeat.

    Raises UnknownOrder, also if the order is another customer's, and OrderAlreadyEnded if it is CONFIRMED or REJECTED.
    """
    known = await db.order_of(tx.connection, order_id)
    if known is None or known.customer_id != customer_id:
        raise domain.UnknownOrder(str(order_id))
    ended = await db.end_orders(tx.connection, [order_id], _cancellation(CancellationReason.CUSTOMER))
    if ended:
        _publish_cancelled(tx, ended, CancellationReason.CUSTOMER)
        return
    found = await db.order_of(tx.connection, order_id)
    if found is not None and found.state != OrderState.CANCELLED:
        domain.check_transition(str(order_id), OrderState(found.state), OrderState.CANCELLED)


async def cancel_overdue_orders(tx: Transaction) -> int:
    """Cancel at most `MAX_CANCELLED_AT_ONCE` orders that are PENDING past their deadline. Returns how many."""
    cancellation = _cancellation(CancellationReason.DEADLINE)
    ended = await db.end_overdue_orders(tx.connection, MAX_CANCELLED_AT_ONCE, cancellation)
    _publish_cancelled(tx, ended, CancellationReason.DEADLINE)
    return len(ended)


async def add_listed_product(tx: Transaction, events: Batch[ProductListed]) -> None:
    """Add listed products to the price list."""
    await db.upsert_prices(tx.connection, [event.data for event in events])


async def update_price(tx: Transaction, events: Batch[ProductPriced]) -> None:
    """Store new prices. The event has the product's full state, so an unknown product is added."""
    await db.upsert_prices(tx.connection, [event.data for event in events])


async def _cancel_missing_orders(
    tx: Transaction, events: Batch[PaymentCaptured] | Batch[PaymentDeclined], ended: Sequence[db.EndedOrder]
) -> None:
    """Insert, as CANCELLED, each order that a payment event names and that is not in the database.

    It publishes `OrderCancelled` for each of them.

    After a restore from a backup an order may be missing although its events were published. Its stock is reserved, and
    its card may be charged. The event makes the other services release the stock and refund the money.
    """
    unmatched = {event.data.order_id: event for event in events}
    for order in ended:
        del unmatched[order.id]
    if not unmatched:
        return
    known = await db.known_orders(tx.connection, unmatched)
    missing = [
        db.MissingOrder(id, event.data.customer_id, event.data.amount)
        for id, event in unmatched.items()
        if id not in known
    ]
    if missing:
        cancellation = _cancellation(CancellationReason.UNKNOWN_ORDER)
        cancelled = await db.insert_missing_orders(tx.connection, missing, cancellation)
        _publish_cancelled(tx, cancelled, CancellationReason.UNKNOWN_ORDER)
        for order in cancelled:
            log.error("order.lost", order_id=str(order.id))


async def _reject(
    tx: Transaction,
    causes: Mapping[UUID, Cause],
    reason: RejectionReason,
    sold_out: Mapping[UUID, list[str]],
) -> Sequence[db.EndedOrder]:
    rejection = db.FinalState(OrderState.REJECTED, OrderRejected.event_type, reason)
    ended = await db.end_orders(tx.connection, causes, rejection)
    for order in ended:
        rejected = OrderRejected(
            order_id=order.id,
            version=order.version,
            customer_id=order.customer_id,
            total=Money.of_row(order.total_minor, order.currency),
            reason=reason,
            sold_out=sold_out.get(order.id, []),
            rejected_at=order.ended_at,
        )
        tx.publish(rejected, cause=causes[order.id])
    return ended


def _cancellation(reason: CancellationReason) -> db.FinalState:
    return db.FinalState(OrderState.CANCELLED, OrderCancelled.event_type, reason)


def _publish_cancelled(tx: Transaction, ended: Sequence[db.EndedOrder], reason: CancellationReason) -> None:
    for order in ended:
        cancelled = OrderCancelled(
            order_id=order.id,
            version=order.version,
            customer_id=order.customer_id,
            total=Money.of_row(order.total_minor, order.currency),
            reason=reason,
            cancelled_at=order.ended_at,
        )
        # A request or the deadline cancelled the order, so its event continues the trace in which the order was placed.
        # An order with the reason UNKNOWN_ORDER has no traceparent, because its row was just inserted.
        tx.publish(cancelled, cause=Cause(None, str(order.id), order.traceparent))
