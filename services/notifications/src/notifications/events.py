"""The event that the notifications service publishes, and its models of the events that it reads."""

from datetime import datetime
from uuid import UUID

from chassis.events import ConsumedEvent, Money, PublishedEvent
from notifications.domain import Kind


class NotificationSent(
    PublishedEvent,
    type="notifications.notification-sent.v1",
    topic="notifications.notification.v1",
    key="order_id",
):
    """A channel accepted the message about an outcome of an order."""

    order_id: UUID
    notification_id: UUID
    version: int
    kind: Kind
    channel: str
    sent_at: datetime


class OrderConfirmed(
    ConsumedEvent, type="orders.order-confirmed.v1", topic="orders.order.v1", key="order_id"
):
    order_id: UUID
    customer_id: str
    total: Money


class OrderRejected(ConsumedEvent, type="orders.order-rejected.v1", topic="orders.order.v1", key="order_id"):
    """An order was rejected. `reason` may be any text, because the list of reasons may grow.

    The message to the customer leaves out an unknown reason. A message from before 2026-12-01 has no `sold_out`.
    """

    order_id: UUID
    customer_id: str
    total: Money
    reason: str
    sold_out: tuple[str, ...] = ()


class OrderCancelled(
    ConsumedEvent, type="orders.order-cancelled.v1", topic="orders.order.v1", key="order_id"
):
    """An order was cancelled. `reason` may be any text, as in OrderRejected."""

    order_id: UUID
    customer_id: str
    total: Money
    reason: str


class PaymentRefunded(
    ConsumedEvent, type="payments.payment-refunded.v1", topic="payments.payment.v1", key="order_id"
):
    order_id: UUID
    customer_id: str
    amount: Money


class PaymentRefundedV2(
    ConsumedEvent, type="payments.payment-refunded.v2", topic="payments.payment.v1", key="order_id"
):
    """The second version of the event, with the reason. Payments publishes it before the first one, for a while.

    `reason` may be any text, as in OrderRejected.
    """

    order_id: UUID
    customer_id: str
    refunded: Money
    reason: str
