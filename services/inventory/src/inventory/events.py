"""The events that inventory publishes, and its own small models of the events that it reads."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from chassis.events import ConsumedEvent, ConsumedPart, Money, PublishedEvent, Time

# --- Published: match contracts/events exactly ----------------------------------------------------


class StockLine(BaseModel):
    """A SKU and a number of pieces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: str
    quantity: int


class Shortage(BaseModel):
    """A SKU with the pieces that an order needs and the pieces that are available."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: str
    requested: int
    available: int


class StockReserved(
    PublishedEvent, type="inventory.stock-reserved.v1", topic="inventory.reservation.v1", key="order_id"
):
    """The stock of all lines of the order is reserved."""

    order_id: UUID
    version: int
    lines: tuple[StockLine, ...]
    reserved_at: datetime


class StockRejected(
    PublishedEvent, type="inventory.stock-rejected.v1", topic="inventory.reservation.v1", key="order_id"
):
    """No stock is reserved for the order, because at least one SKU has too little stock."""

    order_id: UUID
    version: int
    shortages: tuple[Shortage, ...]
    rejected_at: datetime


class StockCommitted(
    PublishedEvent, type="inventory.stock-committed.v1", topic="inventory.reservation.v1", key="order_id"
):
    """The order's stock is sold."""

    order_id: UUID
    version: int
    lines: tuple[StockLine, ...]
    committed_at: datetime


class StockReleased(
    PublishedEvent, type="inventory.stock-released.v1", topic="inventory.reservation.v1", key="order_id"
):
    """The order's stock is available again."""

    order_id: UUID
    version: int
    lines: tuple[StockLine, ...]
    released_at: datetime


class ProductListed(
    PublishedEvent, type="inventory.product-listed.v1", topic="inventory.product.v1", key="sku"
):
    """A product can be ordered from now on. The event contains the product's whole public state."""

    sku: str
    version: int
    name: str
    price: Money


class ProductPriced(
    PublishedEvent, type="inventory.product-priced.v1", topic="inventory.product.v1", key="sku"
):
    """A product has a new price. The event contains the product's whole public state."""

    sku: str
    version: int
    name: str
    price: Money


# --- Consumed -------------------------------------------------------------------------------------


Sku = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["mug"])]
"""The same pattern as in the contract. A SKU that inventory does not have is passed on in `StockRejected`."""


class OrderedLine(ConsumedPart):
    """A SKU and the number of pieces that an order needs."""

    sku: Sku
    quantity: Annotated[int, Field(ge=1, le=10_000)]


class OrderPlaced(ConsumedEvent, type="orders.order-placed.v1", topic="orders.order.v1", key="order_id"):
    """An order was placed: its stock is to be reserved.

    Inventory uses only `lines`. It also declares the fields that payments reads. So an order that payments cannot read
    is a dead letter here as well, and reserves no stock until its deadline.
    """

    order_id: UUID
    customer_id: Annotated[str, Field(min_length=1, max_length=64)]
    total: Money
    payment_token: SecretStr
    placed_at: Time
    deadline_at: Time
    lines: Annotated[tuple[OrderedLine, ...], Field(min_length=1, max_length=100)]


class OrderConfirmed(
    ConsumedEvent, type="orders.order-confirmed.v1", topic="orders.order.v1", key="order_id"
):
    """The order was confirmed: its stock is to be sold."""

    order_id: UUID


class OrderRejected(ConsumedEvent, type="orders.order-rejected.v1", topic="orders.order.v1", key="order_id"):
    """The order was rejected: its stock is to be released."""

    order_id: UUID


class OrderCancelled(
    ConsumedEvent, type="orders.order-cancelled.v1", topic="orders.order.v1", key="order_id"
):
    """The order was cancelled, for any reason: its stock is to be released."""

    order_id: UUID
