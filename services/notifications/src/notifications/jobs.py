"""The job that hands letters to a channel."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from chassis.backoff import Backoff
from chassis.jobs import IntentQueue, Job, Jobs, measuring
from chassis.observability.outages import OUTAGES
from chassis.outbox import Database
from notifications import domain, handlers
from notifications.channels import Channel, Send, Unavailable
from notifications.domain import Letter

PAUSES = Backoff(first=2.0, longest=600.0)


def jobs(channel: Channel) -> Jobs:
    """The jobs of this service; letters go out by `channel`."""
    return {
        "deliver": Job(partial(deliver, channel), interval=2.0, batch_limit=handlers.LETTERS_AT_ONCE),
        "measure-letters": measuring(letter_queue(channel)),
    }


def letter_queue(channel: Channel) -> IntentQueue[Letter, str]:
    """Letters that are due. What is done with one is known by the channel's name."""
    return IntentQueue(
        name="letters",
        claim=handlers.claim_letters,
        record=handlers.record_delivery,
        postpone=handlers.postpone_letters,
        oldest_seconds=handlers.oldest_letter_seconds,
        room=handlers.LETTERS_AT_ONCE,
        concurrency=1,
        lease_seconds=domain.LEASE_SECONDS,
        call_seconds=domain.SENDING_SECONDS,
        pauses=PAUSES,
        repeats=False,
    )


async def deliver(channel: Channel, database: Database) -> int:
    """Send the letters that are due and return how many went out.

    Sending stands between two transactions. A crash after the first one loses nothing: the lease runs out
    and the letter is sent again, under the same Message-ID.
    """
    async with _sending(channel) as send:

        async def deliver_one(letter: Letter) -> str:
            await send(letter)
            return channel.name

        return (await letter_queue(channel).work_off(database, deliver_one)).done


@asynccontextmanager
async def _sending(channel: Channel) -> AsyncIterator[Send]:
    """The channel's `send`. The channel is opened for the first letter, and asked no more once it has gone away."""
    async with AsyncExitStack() as opened:
        yield _until_away(channel, opened)


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
