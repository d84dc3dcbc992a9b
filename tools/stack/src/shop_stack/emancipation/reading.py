"""From where each reader goes on, if the topic that it reads moves from the database to Kafka, or back.

A reader in a group has a position in each shard of each topic of its group. A reader of Kafka has an offset in each
partition. Each gets the latest mark whose events it has taken all.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shop_stack import topics
from shop_stack.emancipation.databases import place_of
from shop_stack.emancipation.journal import Mark
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.local_topics import SCHEMA, quoted
from shop_stack.rights import STACK
from shop_stack.shapes import Shape
from shop_stack.stack import Stack

SHARDS = 12
"""The number of shards of an outbox."""

UNTAKEN = """
    SELECT (SELECT count(*) FROM {position} WHERE topic = $1) < {shards} OR EXISTS (
        SELECT FROM {position} AS p JOIN {view} AS o
            ON o.shard = p.shard AND o.xid >= pg_snapshot_xmin(p.snapshot)
        WHERE p.topic = $1 AND NOT pg_visible_in_snapshot(o.xid, p.snapshot)
          AND (p.upper IS NULL OR o.id > p.after_id OR NOT pg_visible_in_snapshot(o.xid, p.upper))
          AND pg_visible_in_snapshot(o.xid, $2::text::pg_snapshot))
"""
"""Whether a reader has not taken a row that is visible in a snapshot."""
GO_ON_AT = """
    INSERT INTO {position} (topic, shard, snapshot)
    SELECT $1, shard, $2::text::pg_snapshot FROM generate_series(0, {shards} - 1) AS shard
    ON CONFLICT (topic, shard) DO UPDATE SET snapshot = excluded.snapshot, upper = NULL, after_id = 0
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """A topic, and a service that reads it."""

    reader: str
    topic: str
    owner: str

    def is_local(self, shape: Shape) -> bool:
        """Whether the service reads it in its database. A service that is alone reads all topics on Kafka."""
        group = shape.group_of(self.reader)
        return len(group) > 1 and self.owner in group


def moved(before: Stack, after: Stack) -> list[Reading]:
    """The readings that change from one transport to the other."""
    all_readings = [
        Reading(reader, entry["name"], entry["owner"])
        for entry in topics.entries(after.contracts)
        for reader in entry["readers"]
    ]
    return [each for each in all_readings if each.is_local(before.shape) != each.is_local(after.shape)]


async def to_kafka(before: Stack, after: Stack, database: str, marks: Sequence[Mark]) -> None:
    """Commit the offsets at which the groups go on. `database` is that of the monolith. No reader may run.

    Raises UserError if Kafka does not answer.
    """
    offsets: dict[str, dict[TopicPartition, int]] = defaultdict(dict)
    async with before.server.connected(database) as connection:
        for reading in moved(before, after):
            position = place_of(before.shape, reading.reader).table("reader_position")
            mark = await latest_taken(connection, position, reading.topic, marks)
            offsets[reading.reader] |= ends_of(mark, reading.topic)
    access = after.logins.of(STACK)
    await asyncio.gather(*(commit(access, group, found) for group, found in offsets.items()))


async def to_database(before: Stack, after: Stack, database: str, marks: Sequence[Mark]) -> None:
    """Write the positions at which the readers go on. `database` is that of the group. No reader may run.

    Raises UserError if Kafka does not answer.
    """
    readings = moved(before, after)
    readers = sorted({each.reader for each in readings})
    access = before.logins.of(STACK)
    found = await asyncio.gather(
        *(committed(access, name, _places_of(marks[0], readings, name)) for name in readers)
    )
    offsets = dict(zip(readers, found, strict=True))
    async with before.server.connected(database) as connection:
        for reading in readings:
            mark = latest_reached(offsets[reading.reader], reading.topic, marks)
            position = place_of(after.shape, reading.reader, database).table("reader_position")
            query = GO_ON_AT.format(position=position, shards=SHARDS)
            await connection.execute(query, reading.topic, mark.snapshot)


async def commit(access: KafkaAccess, group: str, offsets: Mapping[TopicPartition, int]) -> None:
    """Set the offsets of a group that has no member. Raises UserError if Kafka does not answer."""
    async with _assigned(access, group, list(offsets)) as consumer:
        await consumer.commit(dict(offsets))


async def committed(
    access: KafkaAccess, group: str, places: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """The offset that a group has committed in each partition; 0 if it has none. Raises UserError."""
    async with _assigned(access, group, places) as consumer:
        return {place: await consumer.committed(place) or 0 for place in places}


@asynccontextmanager
async def _assigned(
    access: KafkaAccess, group: str, places: Sequence[TopicPartition]
) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer of these partitions that is no member of the group. Raises UserError, also in the block."""
    consumer = AIOKafkaConsumer(**access.client, group_id=group, enable_auto_commit=False)
    try:
        await consumer.start()
        consumer.assign(places)
        yield consumer
    except (KafkaError, OSError) as error:
        raise UserError(
            f"Kafka does not answer for the group {group} ({error!r}): see `shop logs kafka`, then try again."
        ) from error
    finally:
        await consumer.stop()


async def latest_taken(
    connection: asyncpg.Connection[Any], position: str, topic: str, marks: Sequence[Mark]
) -> Mark:
    """The latest mark whose rows of a topic a reader has taken all. The first mark has none.

    `position` is the reader's table `reader_position`, as an identifier.
    """
    view = f"{quoted(SCHEMA)}.{quoted(topic)}"
    query = UNTAKEN.format(position=position, view=view, shards=SHARDS)
    for mark in reversed(marks[1:]):
        if not await connection.fetchval(query, topic, mark.snapshot):
            return mark
    return marks[0]


def latest_reached(offsets: Mapping[TopicPartition, int], topic: str, marks: Sequence[Mark]) -> Mark:
    """The latest mark whose records of a topic a group has taken all. The first mark has none."""
    for mark in reversed(marks[1:]):
        if all(offsets[place] >= end for place, end in ends_of(mark, topic).items()):
            return mark
    return marks[0]


def ends_of(mark: Mark, topic: str) -> dict[TopicPartition, int]:
    """Partition of a topic → the offset of the next record at this mark."""
    found = {}
    for place, end in mark.ends.items():
        name, _, number = place.rpartition("/")
        if name == topic:
            found[TopicPartition(name, int(number))] = end
    return found


def _places_of(mark: Mark, readings: Sequence[Reading], reader: str) -> list[TopicPartition]:
    return [place for each in readings if each.reader == reader for place in ends_of(mark, each.topic)]
