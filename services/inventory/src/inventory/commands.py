"""The commands that inventory handles if an orchestrator directs the saga, with the same use cases as for events.

Docs: docs/sagas/place-order-orchestrated.md.
"""

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from chassis.events import ConsumedEvent, Envelope, PublishedEvent
from chassis.inbox import Subscriptions, answering
from inventory import handlers
from inventory.domain import IllegalTransition, UnknownReservation
from inventory.events import OrderCancelled, OrderConfirmed, OrderedLine

TOPIC = "orders.inventory-command.v1"


class ReserveStock(ConsumedEvent, type="orders.reserve-stock.v1", topic=TOPIC, key="order_id"):
    """Reserve stock for an order. `StockReserved` or `StockRejected` is the answer.

    It has the two fields of `OrderPlaced` that the use case reads, and so no card token.
    """

    order_id: UUID
    lines: Annotated[tuple[OrderedLine, ...], Field(min_length=1, max_length=100)]


class CommitStock(OrderConfirmed, type="orders.commit-stock.v1", topic=TOPIC, key="order_id"):
    """Sell the stock of an order."""


class ReleaseStock(OrderCancelled, type="orders.release-stock.v1", topic=TOPIC, key="order_id"):
    """Release the stock of an order that was cancelled or rejected."""


class CommandDone(
    PublishedEvent, type="inventory.command-done.v1", topic="inventory.reply.v1", key="order_id"
):
    """The command was carried out, perhaps earlier. `command` is its type."""

    order_id: UUID
    command: str


def done(command: Envelope[Any]) -> CommandDone:
    """The answer to a command that no event answers in each case."""
    return CommandDone(order_id=command.data.order_id, command=command.type)


COMMANDS = Subscriptions(
    {
        ReserveStock: handlers.reserve_stock,
        CommitStock: answering(handlers.commit_stock, done),
        ReleaseStock: answering(handlers.release_stock_of_cancelled, done),
    },
    # No customer waits until stock is sold or released.
    deferrable=(CommitStock, ReleaseStock),
    # All commands for an order are on one topic, in order. A sale without a reservation stays wrong.
    not_retried=(UnknownReservation, IllegalTransition),
)
