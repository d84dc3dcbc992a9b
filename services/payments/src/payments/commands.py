"""The commands that payments handles if an orchestrator directs the saga, with the same use cases as for events.

Docs: docs/sagas/place-order-orchestrated.md.
"""

from typing import Any
from uuid import UUID

from chassis.events import Batch, Envelope, PublishedEvent
from chassis.inbox import Subscriptions, answering
from chassis.outbox import Transaction
from payments import handlers
from payments.events import OrderCancelled, OrderPlaced

TOPIC = "orders.payments-command.v1"


class ChargePayment(OrderPlaced, type="orders.charge-payment.v1", topic=TOPIC, key="order_id"):
    """Charge the card for an order whose stock is reserved. The answer is `PaymentCaptured` or `PaymentDeclined`."""


class CancelPayment(OrderCancelled, type="orders.cancel-payment.v1", topic=TOPIC, key="order_id"):
    """Void the payment of a cancelled order, or refund it."""


class CommandDone(PublishedEvent, type="payments.command-done.v1", topic="payments.reply.v1", key="order_id"):
    """The command was carried out, perhaps earlier. `command` is its type. A refund may still be in progress."""

    order_id: UUID
    command: str


def done(command: Envelope[Any]) -> CommandDone:
    """The answer to a command that no event answers in each case."""
    return CommandDone(order_id=command.data.order_id, command=command.type)


async def charge_payment(tx: Transaction, commands: Batch[Any]) -> None:
    """Open the payments of `ChargePayment` commands, and make them due.

    The command says both that there is an order and that its stock is reserved. As events, `OrderPlaced` calls the
    first use case and `StockReserved` the second one, which reads `order_id` alone.
    """
    await handlers.open_payment(tx, commands)
    await handlers.note_stock_reserved(tx, commands)


COMMANDS = Subscriptions(
    {ChargePayment: charge_payment, CancelPayment: answering(handlers.cancel_payment, done)}
)
