"""What analytics reads of everybody's events: for each its model, and the fact that it states.

It publishes nothing.
"""

import json
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from analytics.domain import Fact, OrderState, PaymentState, ReservationState
from chassis.events import ConsumedEvent, ConsumedPart, Money


class Line(ConsumedPart):
    sku: str
    quantity: int
    unit_price: Money


class OrderPlaced(ConsumedEvent, type="orders.order-placed.v1", topic="orders.order.v1", key="order_id"):
    order_id: UUID
    version: int
    lines: Annotated[tuple[Line, ...], Field(max_length=100)]
    total: Money
    placed_at: datetime

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
    version: int
    confirmed_at: datetime

    def fact(self) -> Fact:
        return _order(self.order_id, self.version, OrderState.CONFIRMED) | {"confirmed_at": self.confirmed_at}


class OrderRejected(ConsumedEvent, type="orders.order-rejected.v1", topic="orders.order.v1", key="order_id"):
    order_id: UUID
    version: int

    def fact(self) -> Fact:
        return _order(self.order_id, self.version, OrderState.REJECTED)


class OrderCancelled(
    ConsumedEvent, type="orders.order-cancelled.v1", topic="orders.order.v1", key="order_id"
):
    order_id: UUID
    version: int

    def fact(self) -> Fact:
        return _order(self.order_id, self.version, OrderState.CANCELLED)


class StockReserved(
    ConsumedEvent, type="inventory.stock-reserved.v1", topic="inventory.reservation.v1", key="order_id"
):
    order_id: UUID
    version: int
    reserved_at: datetime

    def fact(self) -> Fact:
        reservation = _reservation(self.order_id, self.version, ReservationState.RESERVED)
        return reservation | {"reserved_at": self.reserved_at}


class StockRejected(
    ConsumedEvent, type="inventory.stock-rejected.v1", topic="inventory.reservation.v1", key="order_id"
):
    order_id: UUID
    version: int

    def fact(self) -> Fact:
        return _reservation(self.order_id, self.version, ReservationState.REJECTED)


class StockCommitted(
    ConsumedEvent, type="inventory.stock-committed.v1", topic="inventory.reservation.v1", key="order_id"
):
    order_id: UUID
    version: int

    def fact(self) -> Fact:
        return _reservation(self.order_id, self.version, ReservationState.COMMITTED)


class StockReleased(
    ConsumedEvent, type="inventory.stock-released.v1", topic="inventory.reservation.v1", key="order_id"
):
    order_id: UUID
    version: int

    def fact(self) -> Fact:
        return _reservation(self.order_id, self.version, ReservationState.RELEASED)


class PaymentCaptured(
    ConsumedEvent, type="payments.payment-captured.v1", topic="payments.payment.v1", key="order_id"
):
    order_id: UUID
    version: int
    captured_at: datetime

    def fact(self) -> Fact:
        return _payment(self.order_id, self.version, PaymentState.CAPTURED) | {
            "captured_at": self.captured_at
        }


class PaymentDeclined(
    ConsumedEvent, type="payments.payment-declined.v1", topic="payments.payment.v1", key="order_id"
):
    order_id: UUID
    version: int

    def fact(self) -> Fact:
        return _payment(self.order_id, self.version, PaymentState.DECLINED)


class PaymentRefunded(
    ConsumedEvent, type="payments.payment-refunded.v1", topic="payments.payment.v1", key="order_id"
):
    order_id: UUID
    version: int
    amount: Money

    def fact(self) -> Fact:
        payment = _payment(self.order_id, self.version, PaymentState.REFUNDED)
        return payment | {"refunded_minor": self.amount.amount_minor, "currency": self.amount.currency}


class NotificationSent(
    ConsumedEvent,
    type="notifications.notification-sent.v1",
    topic="notifications.notification.v1",
    key="order_id",
):
    order_id: UUID
    sent_at: datetime

    def fact(self) -> Fact:
        return {"order_id": self.order_id, "notified_at": self.sent_at}


class ProductListed(
    ConsumedEvent, type="inventory.product-listed.v1", topic="inventory.product.v1", key="sku"
):
    sku: str
    version: int
    name: str

    def fact(self) -> Fact:
        return {"sku": self.sku, "version": self.version, "name": self.name}


class ProductPriced(
    ConsumedEvent, type="inventory.product-priced.v1", topic="inventory.product.v1", key="sku"
):
    sku: str
    version: int
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
    | NotificationSent
)
ProductEvent = ProductListed | ProductPriced


def _order(order_id: UUID, version: int, state: OrderState) -> dict[str, object]:
    return {"order_id": order_id, "order_version": version, "order_state": state.value}


def _reservation(order_id: UUID, version: int, state: ReservationState) -> dict[str, object]:
    return {"order_id": order_id, "reservation_version": version, "reservation_state": state.value}


def _payment(order_id: UUID, version: int, state: PaymentState) -> dict[str, object]:
    return {"order_id": order_id, "payment_version": version, "payment_state": state.value}
