"""The job that hands letters to a channel."""

import asyncio
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from chassis.jobs import Job, Jobs
from chassis.observability.outages import OUTAGES
from chassis.outbox import Database
from notifications import domain, handlers
from notifications.channels import Channel, NotTaken, Unavailable
from notifications.domain import Letter


def jobs(channel: Channel) -> Jobs:
    """The jobs of this service; letters go out by `channel`."""
    return {"deliver": Job(partial(deliver, channel), interval=2.0, batch_limit=handlers.LETTERS_AT_ONCE)}


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
        OUTAGES.failed(channel.name, "deliver", error)
    except TimeoutError as error:
        OUTAGES.failed(channel.name, "deliver", error)
    else:
        OUTAGES.answered(channel.name)
    done = {letter.id for letter in sent}
    late = {letter.id: (letter, left_over) for letter in letters if letter.id not in done}
    return sent, late | refused
