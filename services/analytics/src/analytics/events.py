"""The events of the other services, one model each. `fact()` returns the columns that the event sets.

The analytics service publishes no event. A model accepts only values that fit into the tables. An event with another
value becomes a dead letter without a retry, and a rebuild skips it.
"""

import json
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from analytics.domain import (
    LARGEST_BIGINT,
    LARGEST_INTEGER,
    Fact,
    OrderState,
    PaymentState,
    ReservationState,
)
from chassis.events import ConsumedEvent, ConsumedPart, Money, Time

# asyncpg writes Python's earliest and latest datetime as -infinity and infinity.
_BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
_AFTER_ALL = datetime.max.replace(tzinfo=UTC)


def _in_utc(moment: datetime) -> datetime:
    try:
        in_utc = moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the moment is not within the years 1 to 9999 in UTC") from None
    if not _BEFORE_ALL < in_utc < _AFTER_ALL:
        raise ValueError("the moment stands for infinity")
    return in_utc


Version = Annotated[int, Field(ge=1, le=LARGEST_INTEGER)]
Moment = Annotated[Time, AfterValidator(_in_utc)]
# An index entry has at most 2,700 bytes.
Sku = Annotated[str, Field(min_length=1, max_length=500)]


class Amount(Money):
    amount_minor: Annotated[int, Field(ge=0, le=LARGEST_BIGINT)]


class Line(ConsumedPart):
    sku: Sku
    quantity: Annotated[int, Field(ge=1, le=LARGEST_BIGINT)]
    unit_price: Amount


class OrderPlaced(ConsumedEvent, type="orders.order-placed.v1", topic="orders.order.v1", key="order_id"):
    order_id: UUID
    version: Version
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=100)]
    total: Amount
    placed_at: Moment

    def fact(self) -> Fact:
        lines = [
            {"sku": line.sku, "quantity": line.quantity, "unit_price_minor": line.unit_price.amount_minor}
            for line in self.lines
        ]
        return {
            "order_id": self.order_id,
            "order_version": self.version,
            "order_state": OrderState.PENDING.value,
            "placed_at": self.placed_at,
            "total_minor": self.total.amount_minor,
            "currency": self.total.currency,
            "lines": json.dumps(lines),
        }


class OrderConfirmed(
    ConsumedEvent, type="orders.order-confirmed.v1", topic="orders.order.v1", key="order_id"
):
    order_id: UUID
    version: Version
    confirmed_at: Moment

    def fact(self) -> Fact:
        return _order(self.order_id, self.version, OrderState.CONFIRMED) | {"confirmed_at": self.confirmed_at}


class OrderRejected(ConsumedEvent, type="orders.order-rejected.v1", topic="orders.order.v1", key="order_id"):
    order_id: UUID
    version: Version

    def fact(self) -> Fact:
        return _order(self.order_id, self.version, OrderState.REJECTED)


class OrderCancelled(
    ConsumedEvent, type="orders.order-cancelled.v1", topic="orders.order.v1", key="order_id"
):
    order_id: UUID
    version: Version

    def fact(self) -> Fact:
        return _order(self.order_id, self.version, OrderState.CANCELLED)


class StockReserved(
    ConsumedEvent, type="inventory.stock-reserved.v1", topic="inventory.reservation.v1", key="order_id"
):
    order_id: UUID
    version: Version
    reserved_at: Moment

    def fact(self) -> Fact:
        reservation = _reservation(self.order_id, self.version, ReservationState.RESERVED)
        return reservation | {"reserved_at": self.reserved_at}


class StockRejected(
    ConsumedEvent, type="inventory.stock-rejected.v1", topic="inventory.reservation.v1", key="order_id"
):
    order_id: UUID
    version: Version

    def fact(self) -> Fact:
        return _reservation(self.order_id, self.version, ReservationState.REJECTED)


class StockCommitted(
    ConsumedEvent, type="inventory.stock-committed.v1", topic="inventory.reservation.v1", key="order_id"
):
    order_id: UUID
    version: Version

    def fact(self) -> Fact:
        return _reservation(self.order_id, self.version, ReservationState.COMMITTED)


class StockReleased(
    ConsumedEvent, type="inventory.stock-released.v1", topic="inventory.reservation.v1", key="order_id"
):
    order_id: UUID
    version: Version

    def fact(self) -> Fact:
        return _reservation(self.order_id, self.version, ReservationState.RELEASED)


class PaymentCaptured(
    ConsumedEvent, type="payments.payment-captured.v1", topic="payments.payment.v1", key="order_id"
):
    order_id: UUID
    version: Version
    captured_at: Moment

    def fact(self) -> Fact:
        return _payment(self.order_id, self.version, PaymentState.CAPTURED) | {
            "captured_at": self.captured_at
        }


class PaymentDeclined(
    ConsumedEvent, type="payments.payment-declined.v1", topic="payments.payment.v1", key="order_id"
):
    order_id: UUID
    version: Version

    def fact(self) -> Fact:
        return _payment(self.order_id, self.version, PaymentState.DECLINED)


class PaymentRefunded(
    ConsumedEvent, type="payments.payment-refunded.v1", topic="payments.payment.v1", key="order_id"
):
    order_id: UUID
    version: Version
    amount: Amount

    def fact(self) -> Fact:
        payment = _payment(self.order_id, self.version, PaymentState.REFUNDED)
        return payment | {"refunded_minor": self.amount.amount_minor, "currency": self.amount.currency}


class PaymentRefundedV2(
    ConsumedEvent, type="payments.payment-refunded.v2", topic="payments.payment.v1", key="order_id"
):
    """The second version of the event. Payments publishes both for a while, and both set the same columns."""

    order_id: UUID
    version: Version
    refunded: Amount

    def fact(self) -> Fact:
        payment = _payment(self.order_id, self.version, PaymentState.REFUNDED)
        return payment | {"refunded_minor": self.refunded.amount_minor, "currency": self.refunded.currency}


class NotificationSent(
    ConsumedEvent,
    type="notifications.notification-sent.v1",
    topic="notifications.notification.v1",
    key="order_id",
):
    order_id: UUID
    sent_at: Moment

    def fact(self) -> Fact:
        return {"order_id": self.order_id, "notified_at": self.sent_at}


class ProductListed(
    ConsumedEvent, type="inventory.product-listed.v1", topic="inventory.product.v1", key="sku"
):
    sku: Sku
    version: Version
    name: str

    def fact(self) -> Fact:
        return {"sku": self.sku, "version": self.version, "name": self.name}


class ProductPriced(
    ConsumedEvent, type="inventory.product-priced.v1", topic="inventory.product.v1", key="sku"
):
    sku: Sku
    version: Version
    name: str

    def fact(self) -> Fact:
        return {"sku": self.sku, "version": self.version, "name": self.name}


OrderEvent = (
    OrderPlaced
    | OrderConfirmed
    | OrderRejected
    | OrderCancelled
    | StockReserved
    | StockRejected
    | StockCommitted
    | StockReleased
    | PaymentCaptured
    | PaymentDeclined
    | PaymentRefunded
    | PaymentRefundedV2
    | NotificationSent
)
ProductEvent = ProductListed | ProductPriced


def _order(order_id: UUID, version: int, state: OrderState) -> dict[str, object]:
    return {"order_id": order_id, "order_version": version, "order_state": state.value}


def _reservation(order_id: UUID, version: int, state: ReservationState) -> dict[str, object]:
    return {"order_id": order_id, "reservation_version": version, "reservation_state": state.value}


def _payment(order_id: UUID, version: int, state: PaymentState) -> dict[str, object]:
    return {"order_id": order_id, "payment_version": version, "payment_state": state.value}
