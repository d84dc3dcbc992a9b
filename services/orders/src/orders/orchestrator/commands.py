"""The commands that the orchestrator sends. Each has what its participant needs, and no more.

The contract of a command is contracts/orchestrated/events/<type without version>/v1.schema.json.
"""

import json
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from chassis.events import Money, PublishedEvent

INVENTORY = "orders.inventory-command.v1"
PAYMENTS = "orders.payments-command.v1"
NOTIFICATIONS = "orders.notifications-command.v1"


class WantedLine(BaseModel):
    """A product and its quantity. The price is of no use to inventory, and is left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sku: str
    quantity: int


class ReserveStock(PublishedEvent, type="orders.reserve-stock.v1", topic=INVENTORY, key="order_id"):
    order_id: UUID
    lines: list[WantedLine]


class CommitStock(PublishedEvent, type="orders.commit-stock.v1", topic=INVENTORY, key="order_id"):
    order_id: UUID


class ReleaseStock(PublishedEvent, type="orders.release-stock.v1", topic=INVENTORY, key="order_id"):
    order_id: UUID


class ChargePayment(PublishedEvent, type="orders.charge-payment.v1", topic=PAYMENTS, key="order_id"):
    """The times give payments the seconds until the order's deadline."""

    order_id: UUID
    customer_id: str
    total: Money
    payment_token: str
    placed_at: datetime
    deadline_at: datetime


class CancelPayment(PublishedEvent, type="orders.cancel-payment.v1", topic=PAYMENTS, key="order_id"):
    order_id: UUID
    customer_id: str
    reason: str


class AnnounceConfirmation(
    PublishedEvent, type="orders.announce-confirmation.v1", topic=NOTIFICATIONS, key="order_id"
):
    order_id: UUID
    customer_id: str
    total: Money


class AnnounceRejection(
    PublishedEvent, type="orders.announce-rejection.v1", topic=NOTIFICATIONS, key="order_id"
):
    order_id: UUID
    customer_id: str
    total: Money
    reason: str
    sold_out: list[str]


class AnnounceCancellation(
    PublishedEvent, type="orders.announce-cancellation.v1", topic=NOTIFICATIONS, key="order_id"
):
    order_id: UUID
    customer_id: str
    total: Money
    reason: str


class AnnounceRefund(PublishedEvent, type="orders.announce-refund.v1", topic=NOTIFICATIONS, key="order_id"):
    order_id: UUID
    customer_id: str
    refunded: Money
    reason: str


class Command(NamedTuple):
    """A command that is sent, or will be: its type, and its data as JSON."""

    type: str
    data: dict[str, Any]


def command_of(model: type[PublishedEvent], facts: BaseModel) -> Command:
    """The command of this model, with those fields of an event that it has. Raises ValidationError if one is missing.

    `facts` is the event that made it necessary.
    """
    found = facts.model_dump(mode="json")
    data = {name: found[name] for name in model.model_fields if name in found}
    command = model.model_validate_json(json.dumps(data))
    return Command(model.event_type, command.model_dump(mode="json"))
