"""Measures how long no relay sends the shards of a killed relay."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import asyncpg

from shop_lab.replicas import Replica
from shop_lab.testbed import Testbed
from shop_stack.errors import UserError

PATIENCE = 60.0
LOOK_SECONDS = 0.05

Owners = Sequence[str | None]
"""The owner of each shard of an outbox; None if it has none."""


async def seconds_after_crash(testbed: Testbed, victim: Replica, relays: int) -> float:
    """Kill a replica. Returns the seconds until other relays own all its shards. `relays` is the number of relays.

    Raises UserError if that takes more than PATIENCE seconds.
    """
    async with testbed.database(victim.service) as database:
        before = await _owners(database)
        since = time.monotonic()
        while None in before or len(set(before)) < relays:
            before = await _wait(database, since)
        began = time.monotonic()
        await victim.kill()
        while not taken_over(before, await _owners(database)):
            await _wait(database, began)
        return time.monotonic() - began


def taken_over(before: Owners, now: Owners) -> bool:
    """Whether an owner is gone, and every shard has an owner."""
    return None not in now and bool(set(before) - set(now))


async def _wait(database: asyncpg.Connection[asyncpg.Record], since: float) -> Owners:
    if time.monotonic() - since > PATIENCE:
        raise UserError(f"The relays did not divide their outbox within {PATIENCE:.0f} s.")
    await asyncio.sleep(LOOK_SECONDS)
    return await _owners(database)


async def _owners(database: asyncpg.Connection[asyncpg.Record]) -> Owners:
    rows = await database.fetch("SELECT owner::text FROM relay_cursor ORDER BY shard")
    return [row["owner"] for row in rows]
