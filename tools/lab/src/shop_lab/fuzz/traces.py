"""Reads the traces that records have left at their readers: dead letters, and rows of the inbox."""

from __future__ import annotations

import asyncpg

from shop_lab.experiments.foreign_inputs.input import Place
from shop_lab.fuzz.sorting import Traces
from shop_lab.testbed import Testbed
from shop_stack.ports import SERVICES


async def traces_of(testbed: Testbed) -> dict[str, Traces]:
    """Service → its traces."""
    found = {}
    for service in SERVICES:
        async with testbed.database(service) as database:
            found[service] = await traces_in(database)
    return found


async def traces_in(database: asyncpg.Connection[asyncpg.Record]) -> Traces:
    """The traces in the database of one service."""
    letters = await database.fetch(_LETTERS)
    taken = await database.fetch(_TAKEN)
    return Traces(
        {Place(row["topic"], row["partition"], row["offset"]): row["reason"] for row in letters},
        {(row["source"], row["id"]) for row in taken},
        {(row["source"], row["id"]): row["reason"] for row in letters if row["id"]},
    )


_LETTERS = 'SELECT topic, partition, "offset", source, event_id::text AS id, reason FROM dead_letters'
_TAKEN = "SELECT source, event_id::text AS id FROM inbox"
