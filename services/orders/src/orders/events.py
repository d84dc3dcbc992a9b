"""The events that the orders service publishes, and its models of the events that it reads.

The contract of an event is contracts/events/<type without version>/v1.schema.json. Times are UTC. Money is in minor
units.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from chassis.events import ConsumedEvent, ConsumedPart, Money, PublishedEvent
from orders.domain import CancellationReason, RejectionReason

ORDERS = "orders.order.v1"
PRODUCTS = "inventory.product.v1"

ProductVersion = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""The same range as in the contract and in the column `prices.version`. An event with a version outside of this range
becomes a dead letter without a retry."""


CustomerId = Annotated[str, Field(min_length=1, max_length=64)]
"""The same lengths as in the contract. If an order is missing here, `OrderCancelled` gets the
customer id of the payment event."""


class OrderLine(BaseModel):
    """One line of a placed order. `unit_price` is the price of one piece at the time of the order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: str
    quantity: int
    unit_price: Money


class OrderPlaced(PublishedEvent, type="orders.order-placed.v1", topic=ORDERS, key="order_id"):
    order_id: UUID
    version: int
    customer_id: str
    lines: list[OrderLine]
    total: Money
    payment_token: str
    placed_at: datetime
    deadline_at: datetime


class OrderConfirmed(PublishedEvent, type="orders.order-confirmed.v1", topic=ORDERS, key="order_id"):
    order_id: UUID
    version: int
    customer_id: str
    total: Money
    confirmed_at: datetime


class OrderRejected(PublishedEvent, type="orders.order-rejected.v1", topic=ORDERS, key="order_id"):
    order_id: UUID
    version: int
    customer_id: str
    total: Money
    reason: RejectionReason
    sold_out: list[str]
    rejected_at: datetime


class OrderCancelled(PublishedEvent, type="orders.order-cancelled.v1", topic=ORDERS, key="order_id"):
    order_id: UUID
    version: int
    customer_id: str
    total: Money
    reason: CancellationReason
    cancelled_at: datetime


class Shortage(ConsumedPart):
    sku: str


class StockRejected(
    ConsumedEvent, type="inventory.stock-rejected.v1", topic="inventory.reservation.v1", key="order_id"
):
    order_id: UUID
    shortages: Annotated[tuple[Shortage, ...], Field(min_length=1)]


class PaymentCaptured(
    ConsumedEvent, type="payments.payment-captured.v1", topic="payments.payment.v1", key="order_id"
):
    order_id: UUID
    customer_id: CustomerId
    amount: Money


class PaymentDeclined(
    ConsumedEvent, type="payments.payment-declined.v1", topic="payments.payment.v1", key="order_id"
):
    """A payment was declined. Its reason is not read, because every reason leads to a rejection."""

    order_id: UUID
    customer_id: CustomerId
    amount: Money


class ProductListed(ConsumedEvent, type="inventory.product-listed.v1", topic=PRODUCTS, key="sku"):
    sku: str
    version: ProductVersion
    name: str
    price: Money


class ProductPriced(ConsumedEvent, type="inventory.product-priced.v1", topic=PRODUCTS, key="sku"):
    sku: str
    version: ProductVersion
    name: str
    price: Money
