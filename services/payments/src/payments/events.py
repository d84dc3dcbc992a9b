"""The events that the payments service publishes, and its own models of the events that it reads."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, SecretStr

from chassis.events import ConsumedEvent, Money, PublishedEvent, Time
from payments.domain import Reason

TOPIC = "payments.payment.v1"

CustomerId = Annotated[str, Field(min_length=1, max_length=64)]
"""The same lengths as in the contract. Payments passes the customer on in its own events."""


class OrderPlaced(ConsumedEvent, type="orders.order-placed.v1", topic="orders.order.v1", key="order_id"):
    """The amount, the card token and the deadline of an order."""

    order_id: UUID
    customer_id: CustomerId
    total: Money
    payment_token: SecretStr
    placed_at: Time
    deadline_at: Time

    @property
    def seconds_allowed(self) -> float:
        """Seconds from `placed_at` to `deadline_at`. Both times are from one clock, that of the orders database."""
        return (self.deadline_at - self.placed_at).total_seconds()


class OrderCancelled(
    ConsumedEvent, type="orders.order-cancelled.v1", topic="orders.order.v1", key="order_id"
):
    """The order was cancelled. `reason` may be any text, because the list of reasons may grow."""

    order_id: UUID
    customer_id: CustomerId
    reason: str


class StockReserved(
    ConsumedEvent, type="inventory.stock-reserved.v1", topic="inventory.reservation.v1", key="order_id"
):
    """The stock of the order is reserved."""

    order_id: UUID


class PaymentCaptured(PublishedEvent, type="payments.payment-captured.v1", topic=TOPIC, key="order_id"):
    """The card was charged."""

    order_id: UUID
    payment_id: UUID
    version: int
    customer_id: str
    amount: Money
    captured_at: datetime


class PaymentDeclined(PublishedEvent, type="payments.payment-declined.v1", topic=TOPIC, key="order_id"):
    """The card was declined, and not charged."""

    order_id: UUID
    payment_id: UUID
    version: int
    customer_id: str
    amount: Money
    reason: Reason
    declined_at: datetime


class PaymentRefunded(PublishedEvent, type="payments.payment-refunded.v1", topic=TOPIC, key="order_id"):
    """The captured amount was refunded to the card."""

    order_id: UUID
    payment_id: UUID
    refund_id: UUID
    version: int
    customer_id: str
    amount: Money
    refunded_at: datetime


class PaymentRefundedV2(PublishedEvent, type="payments.payment-refunded.v2", topic=TOPIC, key="order_id"):
    """Money of the charge was refunded to the card, for the reason of the order's cancellation.

    It is published together with v1, and before it: a reader that handles both drops the second. `captured` and
    `refunded` are equal, because this service refunds the whole amount.
    """

    order_id: UUID
    payment_id: UUID
    refund_id: UUID
    version: int
    customer_id: str
    captured: Money
    refunded: Money
    reason: str
    refunded_at: datetime
