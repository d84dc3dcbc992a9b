"""The commands that notifications handles if an orchestrator directs the saga, with the same use cases as for events.

Docs: docs/sagas/place-order-orchestrated.md.
"""

from typing import Any
from uuid import UUID

from chassis.events import Envelope, PublishedEvent
from chassis.inbox import Subscriptions, answering
from notifications import handlers
from notifications.events import OrderCancelled, OrderConfirmed, OrderRejected, PaymentRefundedV2

TOPIC = "orders.notifications-command.v1"


class AnnounceConfirmation(
    OrderConfirmed, type="orders.announce-confirmation.v1", topic=TOPIC, key="order_id"
):
    """Tell the customer that the order is confirmed."""


class AnnounceRejection(OrderRejected, type="orders.announce-rejection.v1", topic=TOPIC, key="order_id"):
    """Tell the customer that the order was rejected, with the reason."""


class AnnounceCancellation(
    OrderCancelled, type="orders.announce-cancellation.v1", topic=TOPIC, key="order_id"
):
    """Tell the customer that the order was cancelled, with the reason."""


class AnnounceRefund(PaymentRefundedV2, type="orders.announce-refund.v1", topic=TOPIC, key="order_id"):
    """Tell the customer that the payment was refunded, with the reason."""


class CommandDone(
    PublishedEvent, type="notifications.command-done.v1", topic="notifications.reply.v1", key="order_id"
):
    """The message is written down, perhaps since an earlier command. `command` is the type of the command."""

    order_id: UUID
    command: str


def done(command: Envelope[Any]) -> CommandDone:
    """The answer to a command. The message itself may be sent later."""
    return CommandDone(order_id=command.data.order_id, command=command.type)


COMMANDS = Subscriptions(
    {
        AnnounceConfirmation: answering(handlers.announce_confirmation, done),
        AnnounceRejection: answering(handlers.announce_rejection, done),
        AnnounceCancellation: answering(handlers.announce_cancellation, done),
        AnnounceRefund: answering(handlers.announce_refund_with_reason, done),
    }
)
