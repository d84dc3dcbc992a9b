"""The models of the events that the orchestrator reads, in addition to those that the service reads in any case.

Some are events of orders itself: it reads its own topic, because requests and the deadline end orders, too.
"""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from chassis.events import ConsumedEvent, ConsumedPart, Money, Time
from orders.events import ORDERS, CustomerId

RESERVATIONS = "inventory.reservation.v1"
PAYMENTS = "payments.payment.v1"


class PlacedLine(ConsumedPart):
    sku: str
    quantity: int


class OrderPlaced(ConsumedEvent, type="orders.order-placed.v1", topic=ORDERS, key="order_id"):
    """The event that starts the saga. It has what the commands of the steps need."""

    order_id: UUID
    customer_id: CustomerId
    lines: Annotated[tuple[PlacedLine, ...], Field(min_length=1)]
    total: Money
    payment_token: Annotated[str, Field(repr=False)]
    placed_at: Time
    deadline_at: Time


class OrderConfirmed(ConsumedEvent, type="orders.order-confirmed.v1", topic=ORDERS, key="order_id"):
    order_id: UUID
    customer_id: CustomerId
    total: Money


class OrderRejected(ConsumedEvent, type="orders.order-rejected.v1", topic=ORDERS, key="order_id"):
    order_id: UUID
    customer_id: CustomerId
    total: Money
    reason: str
    sold_out: tuple[str, ...] = ()


class OrderCancelled(ConsumedEvent, type="orders.order-cancelled.v1", topic=ORDERS, key="order_id"):
    """A request, the deadline, or a missing order has cancelled it."""

    order_id: UUID
    customer_id: CustomerId
    total: Money
    reason: str


class StockReserved(ConsumedEvent, type="inventory.stock-reserved.v1", topic=RESERVATIONS, key="order_id"):
    order_id: UUID


class PaymentRefunded(ConsumedEvent, type="payments.payment-refunded.v2", topic=PAYMENTS, key="order_id"):
    """A refund, in the version that has its reason."""

    order_id: UUID
    customer_id: CustomerId
    refunded: Money
    reason: str


class CommandDone(ConsumedEvent):
    """A participant has carried out a command that no other event answers in each case. `command` is its type."""

    order_id: UUID
    command: str


class InventoryDone(
    CommandDone, type="inventory.command-done.v1", topic="inventory.reply.v1", key="order_id"
):
    pass


class PaymentsDone(CommandDone, type="payments.command-done.v1", topic="payments.reply.v1", key="order_id"):
    pass


class NotificationsDone(
    CommandDone, type="notifications.command-done.v1", topic="notifications.reply.v1", key="order_id"
):
    pass
