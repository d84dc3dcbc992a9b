"""The job of the notifications service: it sends messages."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from uuid import UUID

import structlog

from chassis.backoff import Backoff
from chassis.jobs import IntentQueue, Job, Jobs
from chassis.observability.outages import OUTAGES
from chassis.outbox import Database, Transaction
from notifications import domain, handlers
from notifications.channels import Channel, ChannelUnavailable, Send, Undeliverable
from notifications.domain import Accepted, Message, Outcome, Rejected
from notifications.metrics import LETTERS

log = structlog.get_logger("notifications")

PAUSES = Backoff(first=2.0, longest=600.0)


def jobs(channel: Channel) -> Jobs:
    """The job of this service. `channel` sends the messages."""
    return {
        "deliver": Job(partial(deliver, channel), interval=2.0, full_batch=handlers.MESSAGES_AT_ONCE),
    }


def delivery_queue() -> IntentQueue[Message, Outcome]:
    """The queue of due messages."""
    return IntentQueue(
        name=LETTERS,
        claim=handlers.claim_messages,
        record=handlers.record_delivery,
        postpone=handlers.postpone_messages,
        max_claimed=handlers.MESSAGES_AT_ONCE,
        concurrency=1,
        lease_seconds=domain.LEASE_SECONDS,
        call_seconds=domain.SENDING_SECONDS,
        pauses=PAUSES,
        repeats=False,
    )


async def deliver(channel: Channel, database: Database) -> int:
    """Send the due messages. Returns the number of messages that the channel accepted.

    A message is sent between two transactions: one claims it, one records the outcome. A crash between them loses
    nothing: the lease ends, and the message is sent again with the same Message-ID.
    """
    queue = delivery_queue()
    accepted: set[UUID] = set()

    async def record(tx: Transaction, ended: Sequence[tuple[Message, Outcome]]) -> None:
        await queue.record(tx, ended)
        accepted.update(message.id for message, outcome in ended if isinstance(outcome, Accepted))

    async with delivering(channel) as deliver_one:
        await replace(queue, record=record).process_due(database, deliver_one)
    return len(accepted)


@asynccontextmanager
async def delivering(channel: Channel) -> AsyncIterator[Callable[[Message], Awaitable[Outcome]]]:
    """Yield a function that sends one message. The function returns the outcome, or raises TryLater.

    The first message opens the channel. If the channel becomes unavailable, the other messages of this run are
    postponed without a try.
    """
    async with AsyncExitStack() as opened:
        send = _send_while_available(channel, opened)

        async def deliver_one(message: Message) -> Outcome:
            try:
                await send(message)
            except Undeliverable as error:
                log.warning("letter.undeliverable", id=str(message.id), reason=str(error))
                return Rejected(str(error))
            return Accepted(channel.name)

        yield deliver_one


def _send_while_available(channel: Channel, opened: AsyncExitStack) -> Callable[[Message], Awaitable[None]]:
    send: Send | None = None
    failure: ChannelUnavailable | None = None

    async def send_one(message: Message) -> None:
        nonlocal send, failure
        if failure is not None:
            raise failure
        try:
            if send is None:
                send = await opened.enter_async_context(channel.open())
            await send(message)
            OUTAGES.answered(channel.name)
        except ChannelUnavailable as error:
            failure = error
            OUTAGES.failed(error.dependency or channel.name, "deliver", error)
            raise

    return send_one
