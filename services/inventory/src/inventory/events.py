"""The events that inventory publishes, and its own small models of the events that it reads."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from chassis.events import ConsumedEvent, ConsumedPart, Money, PublishedEvent

# --- Published: match contracts/events exactly ----------------------------------------------------


class StockLine(BaseModel):
    """So many pieces of one SKU."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: str
    quantity: int


class Shortage(BaseModel):
    """What an order wanted of a SKU, and what there was. Pieces."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: str
    requested: int
    available: int


class StockReserved(
    PublishedEvent, type="inventory.stock-reserved.v1", topic="inventory.reservation.v1", key="order_id"
):
    """All lines of the order are set aside."""

    order_id: UUID
    version: int
    lines: tuple[StockLine, ...]
    reserved_at: datetime


class StockRejected(
    PublishedEvent, type="inventory.stock-rejected.v1", topic="inventory.reservation.v1", key="order_id"
):
    """The order gets nothing: some SKUs are short."""

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
    """A product can be ordered from now on. Carries the product's whole public state."""

    sku: str
    version: int
    name: str
    price: Money


class ProductPriced(
    PublishedEvent, type="inventory.product-priced.v1", topic="inventory.product.v1", key="sku"
):
    """A product has a new price. Carries the product's whole public state."""

    sku: str
    version: int
    name: str
    price: Money


# --- Consumed: only the fields that inventory reads -----------------------------------------------


class OrderedLine(ConsumedPart):
    """What an order wants of one SKU. Pieces."""

    sku: Annotated[str, Field(min_length=1)]
    quantity: Annotated[int, Field(ge=1, le=10_000)]


class OrderPlaced(ConsumedEvent, type="orders.order-placed.v1", topic="orders.order.v1", key="order_id"):
    """An order asks for stock."""

    order_id: UUID
    lines: Annotated[tuple[OrderedLine, ...], Field(min_length=1, max_length=100)]


class OrderConfirmed(
    ConsumedEvent, type="orders.order-confirmed.v1", topic="orders.order.v1", key="order_id"
):
    """The order's stock is sold."""

    order_id: UUID


class OrderRejected(ConsumedEvent, type="orders.order-rejected.v1", topic="orders.order.v1", key="order_id"):
    """The order will not be: its stock is free."""

    order_id: UUID


class OrderCancelled(
    ConsumedEvent, type="orders.order-cancelled.v1", topic="orders.order.v1", key="order_id"
):
    """The customer or the deadline ended the order: its stock is free."""

    order_id: UUID
