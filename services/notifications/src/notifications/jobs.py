"""The jobs of notifications: deliver letters, and count those that failed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from uuid import UUID

import structlog

from chassis.backoff import Backoff
from chassis.jobs import IntentQueue, Job, Jobs, measuring
from chassis.observability import metrics
from chassis.observability.outages import OUTAGES
from chassis.outbox import Database, Transaction
from notifications import domain, handlers
from notifications.channels import Channel, Send, Unavailable, Undeliverable
from notifications.domain import Delivered, GivenUp, Letter, Taken

log = structlog.get_logger("notifications")

PAUSES = Backoff(first=2.0, longest=600.0)


def jobs(channel: Channel) -> Jobs:
    """The jobs of this service. `channel` delivers the letters."""
    return {
        "deliver": Job(partial(deliver, channel), interval=2.0, batch_limit=handlers.LETTERS_AT_ONCE),
        "measure-letters": measuring(letter_queue()),
        "count-failed": Job(count_failed, interval=15.0),
    }


def letter_queue() -> IntentQueue[Letter, Delivered]:
    """The queue of due letters. Each ends as taken by the channel or as given up."""
    return IntentQueue(
        name="letters",
        claim=handlers.claim_letters,
        record=handlers.record_delivery,
        postpone=handlers.postpone_letters,
        oldest_seconds=handlers.oldest_letter_seconds,
        most=handlers.LETTERS_AT_ONCE,
        concurrency=1,
        lease_seconds=domain.LEASE_SECONDS,
        call_seconds=domain.SENDING_SECONDS,
        pauses=PAUSES,
        repeats=False,
    )


async def deliver(channel: Channel, database: Database) -> int:
    """Send the due letters. Returns how many were sent.

    A letter is sent between two transactions. A crash after the first one loses nothing: the lease ends, and the
    letter is sent again with the same Message-ID.
    """
    queue = letter_queue()
    taken: set[UUID] = set()

    async def record(tx: Transaction, ended: Sequence[tuple[Letter, Delivered]]) -> None:
        await queue.record(tx, ended)
        taken.update(letter.id for letter, outcome in ended if isinstance(outcome, Taken))

    async with delivering(channel) as deliver_one:
        await replace(queue, record=record).process_due(database, deliver_one)
    return len(taken)


async def count_failed(database: Database) -> int:
    """Set the metric of FAILED notifications. Returns 0, so that the job is next run after its interval."""
    async with database.reading() as connection:
        metrics.ITEMS_FAILED.labels("notification").set(await handlers.count_failed(connection))
    return 0


@asynccontextmanager
async def delivering(channel: Channel) -> AsyncIterator[Callable[[Letter], Awaitable[Delivered]]]:
    """Gives a function that delivers one letter. It returns the end of the delivery, or raises TryLater.

    The first letter opens the channel. After the channel has failed as a whole, it is not used again.
    """
    async with AsyncExitStack() as opened:
        send = _until_away(channel, opened)

        async def deliver_one(letter: Letter) -> Delivered:
            try:
                await send(letter)
            except Undeliverable as error:
                log.warning("letter.undeliverable", id=str(letter.id), reason=str(error))
                return GivenUp(str(error))
            return Taken(channel.name)

        yield deliver_one


def _until_away(channel: Channel, opened: AsyncExitStack) -> Callable[[Letter], Awaitable[None]]:
    send: Send | None = None
    away: Unavailable | None = None

    async def send_one(letter: Letter) -> None:
        nonlocal send, away
        if away is not None:
            raise away
        try:
            if send is None:
                send = await opened.enter_async_context(channel.open())
            await send(letter)
            OUTAGES.answered(channel.name)
        except Unavailable as error:
            away = error
            OUTAGES.failed(channel.name, "deliver", error)
            raise

    return send_one
