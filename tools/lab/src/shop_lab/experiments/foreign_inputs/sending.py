"""Sends records to topics. Each function returns the function of an input, or is one."""

from __future__ import annotations

import random
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shop_lab.experiments.foreign_inputs.batches import Codec, Record, batch_of
from shop_lab.experiments.foreign_inputs.events import Event, ghost_of
from shop_lab.experiments.foreign_inputs.input import REFUSED, Give, Place, Tally, World
from shop_lab.experiments.foreign_inputs.records import Fault
from shop_load.open_loop import SKUS

ORDERS = "orders.order.v1"
ANY_TOPIC = ""
LOOK_BACK = 50
"""A record that is sent again is one of the last so many of its partition."""
FETCH_MS = 2_000

ToBatch = Callable[[Record, random.Random], bytes]


def plain(record: Record, dice: random.Random) -> bytes:
    return batch_of([record])


def compressed(codec: Codec) -> ToBatch:
    return lambda record, _: batch_of([record], codec)


def recorded(fault: Fault, topic: str = ANY_TOPIC, to_batch: ToBatch = plain) -> Give:
    """An input that sends a record with this fault to a topic; without a topic, to each in turn."""

    async def give(world: World, tally: Tally) -> None:
        names = sorted(world.topics)
        chosen = world.topics[topic or names[tally.given % len(names)]]
        event = fault(chosen, world.dice)
        await _send(world, tally, event, to_batch)

    return give


async def ghost(world: World, tally: Tally) -> None:
    """Send an order-placed event for an order that the service orders does not have."""
    event = ghost_of(world.topics[ORDERS], world.dice, world.dice.choice(SKUS))
    await _send(world, tally, event, plain)
    tally.ghosts.add((event.key or b"").decode())


async def _send(world: World, tally: Tally, event: Event, to_batch: ToBatch) -> None:
    partition = world.producer.partition_of(event.topic, event.key)
    batch = to_batch(event.record, world.dice)
    if (place := await _put(world, tally, event.topic, partition, batch)) is not None:
        tally.places.add(place)
        if b"ce_id" in event.headers:
            tally.events.add(event.id)


async def _put(world: World, tally: Tally, topic: str, partition: int, batch: bytes) -> Place | None:
    """Send a batch. Returns the place of its record; None if the broker refuses it."""
    try:
        offset = await world.producer.send(topic, partition, batch)
    except KafkaError as error:
        if error.retriable:  # the broker is unavailable
            raise
        tally.answers[REFUSED] += 1
        return None
    place = Place(topic, partition, offset)
    world.sent.add(place)
    return place


def repeated(codec: Codec) -> Give:
    """An input that sends one of the last records of orders again, with a codec. Records of inputs are left out."""

    async def give(world: World, tally: Tally) -> None:
        partition = world.dice.randrange(world.producer.partitions(ORDERS))
        record = await last_record(world, TopicPartition(ORDERS, partition))
        if record is None:
            return
        batch = batch_of([record], codec)
        if (place := await _put(world, tally, ORDERS, partition, batch)) is not None:
            tally.places.add(place)

    return give


async def last_record(world: World, at: TopicPartition) -> Record | None:
    """The last record of a partition that no input has sent; None if there is none among the last LOOK_BACK records."""
    consumer = AIOKafkaConsumer(**world.testbed.kafka.client, enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([at])
        end = (await consumer.end_offsets([at]))[at]
        consumer.seek(at, max(0, end - LOOK_BACK))
        found = (await consumer.getmany(at, timeout_ms=FETCH_MS)).get(at, ())
    except ValueError:  # a foreign batch: a header name that is not UTF-8, or more than a reader may inflate
        return None
    finally:
        await consumer.stop()
    own = [one for one in found if Place(one.topic, one.partition, one.offset) not in world.sent]
    if not own:
        return None
    last = own[-1]
    return Record(last.key, last.value, [(name.encode(), value) for name, value in last.headers])
