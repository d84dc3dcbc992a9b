"""One handler per message of the saga. Each changes the progress and publishes the next command in one transaction.

So a process that is killed between the two has done neither, and the message comes again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from chassis.events import Batch, Cause, Envelope
from chassis.inbox import Handler
from chassis.outbox import Transaction
from orders.orchestrator import progress as rules
from orders.orchestrator import table
from orders.orchestrator.definition import PLACE_ORDER, Ending, Reply
from orders.orchestrator.progress import Progress

MAX_REPEATED_AT_ONCE = 500
"""Maximum number of commands that one transaction sends again."""

Change = Callable[[Progress | None, Envelope[Any]], Progress | None]
"""From the progress of an order, None without a row, to the next one, None if nothing changes."""


async def begin(tx: Transaction, events: Batch[Any]) -> None:
    """Begin the saga of placed orders: send the command of the first step. An order that has a row is not changed."""
    new = {event.data.order_id: event for event in events}
    begun = [_sent(rules.begun(event.data, id), event.cause) for id, event in new.items()]
    inserted = await table.insert_sagas(tx.connection, begun)
    for progress in begun:
        if progress.order_id in inserted:
            _publish_first(tx, progress, new[progress.order_id].cause)


def on_reply(reply: Reply) -> Handler:
    """The handler of an answer: the use case of orders if there is one, then the next command."""

    async def take_reply(tx: Transaction, events: Batch[Any]) -> None:
        if reply.use_case is not None:
            await reply.use_case(tx, events)
        await _change(tx, events, _after_reply)

    take_reply.__qualname__ = f"take_{reply.event.__name__}"
    return take_reply


def on_ending(ending: Ending) -> Handler:
    """The handler of an event that ends orders: compensations in reverse order, and what follows."""

    async def end(tx: Transaction, events: Batch[Any]) -> None:
        await _change(
            tx, events, lambda before, event: rules.ended(before, ending, event.data, event.data.order_id)
        )

    end.__qualname__ = f"end_{ending.event.__name__}"
    return end


async def announce_refund(tx: Transaction, events: Batch[Any]) -> None:
    """Have customers told that their payments were refunded."""
    await _change(tx, events, lambda before, event: rules.refunded(before, event.data, event.data.order_id))


async def repeat_commands(tx: Transaction) -> int:
    """Send those commands again that were not answered in time. Returns how many."""
    due = await table.due_sagas(tx.connection, MAX_REPEATED_AT_ONCE)
    repeated = [replace(progress, sent=progress.sent + 1) for progress in due]
    if repeated:
        await table.save_sagas(tx.connection, repeated)
    for progress in repeated:
        _publish_first(tx, progress, Cause(None, str(progress.order_id), progress.traceparent))
    return len(repeated)


def _after_reply(before: Progress | None, event: Envelope[Any]) -> Progress | None:
    if before is None:
        return None
    return rules.answered(before, event.type, getattr(event.data, "command", None))


async def _change(tx: Transaction, events: Sequence[Envelope[Any]], change: Change) -> None:
    """Change the rows of orders, and send each command that is now the first one of its queue."""
    by_order = {event.data.order_id: event for event in events}
    known: Mapping[UUID, Progress] = await table.lock_sagas(tx.connection, by_order.keys())
    changed = []
    for order_id, event in by_order.items():
        after = change(known.get(order_id), event)
        if after is None:
            continue
        if after.sent == 0:
            after = _sent(after, event.cause)
            _publish_first(tx, after, event.cause)
        changed.append(after)
    if changed:
        await table.save_sagas(tx.connection, changed)


def _sent(progress: Progress, cause: Cause) -> Progress:
    """The progress with its first command sent, if it has one."""
    return replace(progress, sent=1 if progress.queue else 0, traceparent=cause.traceparent)


def _publish_first(tx: Transaction, progress: Progress, cause: Cause) -> None:
    if progress.queue:
        command = progress.queue[0]
        model = PLACE_ORDER.call_of(command.type).command
        tx.publish(model.model_validate_json(json.dumps(command.data)), cause=cause)
