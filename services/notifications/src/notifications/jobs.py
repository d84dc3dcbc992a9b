"""The job that hands letters to a channel."""

import asyncio
from collections.abc import Sequence
from functools import partial
from uuid import UUID

import structlog

from chassis.jobs import Job, Jobs
from chassis.observability import metrics
from chassis.outbox import Database
from notifications import domain, handlers
from notifications.channels import Channel, NotTaken, Unavailable, Undeliverable
from notifications.domain import Letter

log = structlog.get_logger("notifications")


def jobs(channel: Channel) -> Jobs:
    """The jobs of this service; letters go out by `channel`."""
    return {
        "deliver": Job(partial(deliver, channel), interval=2.0, batch_limit=handlers.LETTERS_AT_ONCE),
        "count-failed": Job(count_failed, interval=15.0),
    }


async def deliver(channel: Channel, database: Database) -> int:
    """Send the letters that are due and return how many went out.

    Sending stands between two transactions. A crash after the first one loses nothing: the lease runs out
    and the letter is sent again, under the same Message-ID.
    """
    async with database.transaction() as tx:
        letters = await handlers.claim_letters(tx)
    if not letters:
        return 0
    sent, failed, undeliverable = await _send_all(channel, letters)
    async with database.transaction() as tx:
        await handlers.record_delivery(tx, channel.name, sent, failed)
        await handlers.give_up(tx, undeliverable)
    return len(sent)


async def count_failed(database: Database) -> int:
    """Set the metric of FAILED notifications. Returns 0: there is nothing more to do before the next count."""
    async with database.reading() as connection:
        metrics.ITEMS_FAILED.labels("notification").set(await handlers.count_failed(connection))
    return 0


async def _send_all(
    channel: Channel, letters: Sequence[Letter]
) -> tuple[list[Letter], dict[UUID, tuple[Letter, str]], dict[UUID, str]]:
    """Send in order. Returns the letters sent, those to send later, and those that no channel will ever take.

    A letter that is refused does not stop the next; a channel that is away stops the batch.
    """
    sent: list[Letter] = []
    refused: dict[UUID, tuple[Letter, str]] = {}
    undeliverable: dict[UUID, str] = {}
    left_over = "out-of-time"
    try:
        async with asyncio.timeout(domain.SENDING_SECONDS), channel.open() as send:
            for letter in letters:
                try:
                    await send(letter)
                    sent.append(letter)
                except NotTaken as error:
                    refused[letter.id] = (letter, str(error))
                except Undeliverable as error:
                    undeliverable[letter.id] = str(error)
                    log.warning("letter.undeliverable", id=str(letter.id), reason=str(error))
    except Unavailable as error:
        left_over = str(error)
        log.warning(
            "channel.unavailable", channel=channel.name, reason=left_over, waiting=len(letters) - len(sent)
        )
    except TimeoutError:
        log.warning("channel.slow", channel=channel.name, waiting=len(letters) - len(sent))
    done = {letter.id for letter in sent} | undeliverable.keys()
    late = {letter.id: (letter, left_over) for letter in letters if letter.id not in done}
    return sent, late | refused, undeliverable
