"""Which event starts which handler, and the job that brings letters to a channel."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from uuid import UUID

import structlog

from chassis.database import Database
from chassis.inbox import Handler
from chassis.jobs import Job
from notifications import domain, handlers
from notifications.channels import Channel, NotTaken, Unavailable
from notifications.domain import Letter

log = structlog.get_logger("notifications")

SUBSCRIPTIONS: Mapping[str, Handler] = {
    "orders.order-confirmed.v1": handlers.announce_confirmation,
    "orders.order-rejected.v1": handlers.announce_rejection,
    "orders.order-cancelled.v1": handlers.announce_cancellation,
    "payments.payment-refunded.v1": handlers.announce_refund,
}

# On the same topics, and no outcome: the customer hears about the order, not about each step.
IGNORED = frozenset(
    {"orders.order-placed.v1", "payments.payment-captured.v1", "payments.payment-declined.v1"}
)


def jobs(channel: Channel) -> Mapping[str, Job]:
    """The jobs of this service; letters go out by `channel`."""
    return {"deliver": Job(partial(deliver, channel), every=2.0, full=handlers.LETTERS_AT_ONCE)}


async def deliver(channel: Channel, database: Database) -> int:
    """Send the letters that are due and return how many went out.

    Sending stands between two transactions. A crash after the first one loses nothing: the lease runs out
    and the letter is sent again, under the same Message-ID.
    """
    async with database.transaction() as tx:
        letters = await handlers.claim_letters(tx)
    if not letters:
        return 0
    sent, failed = await _send_all(channel, letters)
    async with database.transaction() as tx:
        await handlers.record_delivery(tx, channel.name, sent, failed)
    return len(sent)


async def _send_all(
    channel: Channel, letters: Sequence[Letter]
) -> tuple[list[Letter], dict[UUID, tuple[Letter, str]]]:
    """Send in order.

    A letter that is refused does not stop the next; a channel that is away stops the batch.
    """
    sent: list[Letter] = []
    refused: dict[UUID, tuple[Letter, str]] = {}
    left_over = "out-of-time"
    try:
        async with asyncio.timeout(domain.SENDING_SECONDS), channel.open() as send:
            for letter in letters:
                try:
                    await send(letter)
                    sent.append(letter)
                except NotTaken as error:
                    refused[letter.id] = (letter, str(error))
    except Unavailable as error:
        left_over = str(error)
        log.warning(
            "channel-unavailable", channel=channel.name, reason=left_over, waiting=len(letters) - len(sent)
        )
    except TimeoutError:
        log.warning("channel-slow", channel=channel.name, waiting=len(letters) - len(sent))
    done = {letter.id for letter in sent}
    late = {letter.id: (letter, left_over) for letter in letters if letter.id not in done}
    return sent, late | refused
