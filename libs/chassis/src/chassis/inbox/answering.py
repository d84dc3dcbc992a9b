"""Handlers of commands that answer: the sender learns that the use case was carried out, also if it changed nothing."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from chassis.events import Envelope, PublishedEvent
from chassis.inbox.subscriptions import Handler
from chassis.outbox import Transaction


def answering(handler: Handler, answer: Callable[[Envelope[Any]], PublishedEvent]) -> Handler:
    """A handler that calls `handler`, and then publishes `answer(command)` for each command, in the same transaction.

    A command that is sent again gets an answer again. So the use case must have its effect once for a key.
    """

    @wraps(handler)
    async def carry_out(tx: Transaction, commands: Sequence[Envelope[Any]]) -> None:
        await handler(tx, commands)
        for command in commands:
            tx.publish(answer(command), cause=command.cause)

    return carry_out
