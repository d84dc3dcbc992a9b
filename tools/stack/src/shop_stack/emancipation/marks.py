"""Points that both transports know: all rows that are visible in a snapshot are before some offsets in Kafka.

A reader that has taken all rows of a topic that are visible in the snapshot of a mark may go on at its offsets, and the
other way round. It may get some events again, and its inbox drops them. It misses none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shop_stack import topics
from shop_stack.emancipation.bridge import Bridge
from shop_stack.emancipation.databases import Place, place_of
from shop_stack.emancipation.journal import Mark
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES
from shop_stack.postgres import Server
from shop_stack.rights import STACK
from shop_stack.stack import Stack

BEGINNING = "3:3:"
"""The lowest snapshot: no row is visible in it."""
RELAYED_SECONDS = 60.0
"""Seconds in which the relays must send the rows of a moment."""
LOOK_SECONDS = 0.1

UNSENT = """
    SELECT EXISTS (
        SELECT FROM {cursor} AS c JOIN {outbox} AS o USING (shard)
        WHERE o.xid >= pg_snapshot_xmin(c.snapshot) AND NOT pg_visible_in_snapshot(o.xid, c.snapshot)
          AND (c.upper IS NULL OR o.id > c.after_id OR NOT pg_visible_in_snapshot(o.xid, c.upper))
          AND pg_visible_in_snapshot(o.xid, $1::text::pg_snapshot))
"""
"""Whether a row that is visible in a snapshot was neither sent nor set aside."""
SET_ASIDE = "SELECT count(*) FROM {table} WHERE state <> 'GIVEN_UP'"
REACHED = """
    UPDATE {cursor} SET snapshot = $1::text::pg_snapshot, upper = NULL, after_id = 0, owner = NULL, lease_until = NULL
"""


async def snapshot(server: Server) -> str:
    """The present snapshot of the server. It counts for all databases."""
    async with server.connected() as connection:
        return str(await connection.fetchval("SELECT pg_current_snapshot()::text"))


def first_mark(stack: Stack) -> Mark:
    """The beginning: no row, and the first record of each partition."""
    return Mark(BEGINNING, {_name(place): 0 for place in _partitions(stack)})


async def send_up_to_now(stack: Stack, bridge: Bridge, before: Mark) -> tuple[Mark, int]:
    """Send the rows since a mark to Kafka. Returns the mark that is reached, and how many rows they were."""
    reached = await snapshot(stack.server)
    sent = await bridge.send(before.snapshot, reached)
    return Mark(reached, await ends(stack)), sent


async def wait_for_relays(stack: Stack, patience: float = RELAYED_SECONDS) -> Mark:
    """The mark that relays reach when they have sent all rows of this moment. `stack` has the shape that runs.

    Raises UserError if they have not after `patience` seconds, or if a row was set aside.
    """
    reached = await snapshot(stack.server)
    deadline = time.monotonic() + patience
    waiting = set(SERVICES)
    while waiting:
        waiting = {name for name in waiting if await _is_unsent(stack, name, reached)}
        if waiting and time.monotonic() > deadline:
            raise UserError(
                f"Events of {', '.join(sorted(waiting))} were not sent to Kafka for {patience:.0f} s: see "
                "`shop status` and `shop outbox list`, then try again."
            )
        await asyncio.sleep(LOOK_SECONDS if waiting else 0)
    await require_none_set_aside(stack)
    return Mark(reached, await ends(stack))


async def require_none_set_aside(stack: Stack) -> None:
    """Raise UserError if a service could not send an event: the other transport would not know that it waits."""
    for name in SERVICES:
        place = place_of(stack.shape, name)
        async with stack.server.connected(place.database) as connection:
            count = await connection.fetchval(SET_ASIDE.format(table=place.table("outbox_set_aside")))
        if count:
            raise UserError(
                f"{count} events of {name} could not be sent and were set aside: `shop outbox list` shows them. Send "
                "them again or give them up, then try again."
            )


async def note_sent(server: Server, places: Mapping[str, Place], reached: str) -> None:
    """Have the relays of these modules begin after the snapshot. No relay may run."""
    for place in places.values():
        async with server.connected(place.database) as connection:
            await connection.execute(REACHED.format(cursor=place.table("relay_cursor")), reached)


async def ends(stack: Stack) -> dict[str, int]:
    """`topic/partition` → the offset of the next record. Raises UserError if Kafka does not answer."""
    places = _partitions(stack)
    consumer = AIOKafkaConsumer(**stack.logins.of(STACK).client, enable_auto_commit=False)
    try:
        await consumer.start()
        found: dict[TopicPartition, int] = await consumer.end_offsets(places)
    except (KafkaError, OSError) as error:
        raise UserError(f"Kafka does not answer ({error}): see `shop logs kafka`, then try again.") from error
    finally:
        await consumer.stop()
    return {_name(place): found[place] for place in places}


async def _is_unsent(stack: Stack, module: str, reached: str) -> bool:
    place = place_of(stack.shape, module)
    query = UNSENT.format(cursor=place.table("relay_cursor"), outbox=place.table("outbox"))
    try:
        async with stack.server.connected(place.database) as connection:
            return bool(await connection.fetchval(query, reached))
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise UserError(f"The database of {module} does not answer ({error}): see `shop status`.") from error


def _partitions(stack: Stack) -> list[TopicPartition]:
    return [
        TopicPartition(topic.name, number)
        for topic in topics.declared(stack.contracts)
        for number in range(topic.partitions)
    ]


def _name(place: TopicPartition) -> str:
    return f"{place.topic}/{place.partition}"
