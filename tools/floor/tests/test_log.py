"""The log of a real Kafka: an order's records are found, rubbish is shown as such, and a long log is not read whole."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from shop_floor import log
from shop_floor.log import newest, of_order, placed_at, places_of_key
from shop_floor.memory import Memory
from shop_observe.kafka_log import Entry
from shop_observe.tail import LogUnreadable
from shop_observe.topics import partition_of
from shop_stack.kafka_access import KafkaAccess
from shop_stack.paths import contracts
from shop_stack.target import Target
from tools.floor.tests.scenes import TOPICS, Order, captured, order_id, placed_order

EVENTS = [topic for topic in TOPICS if topic.events]


def target_at(kafka: KafkaAccess, folder: Path) -> Target:
    return Target("test", {}, {}, "", kafka, {}, folder, contracts(), folder)


async def send(kafka: KafkaAccess, entries: list[Entry]) -> None:
    async with AIOKafkaProducer(**kafka.client, acks="all") as producer:
        for entry in entries:
            headers = {
                "ce_id": entry.id,
                "ce_type": entry.type,
                "ce_source": entry.source,
                "ce_time": entry.decided_at,
                "ce_causationid": entry.causation_id,
            }
            raw = [(name, text.encode()) for name, text in headers.items()]
            await producer.send(entry.topic, entry.value, entry.key.encode(), headers=raw)


async def test_an_orders_records_are_found_among_those_of_others(kafka: KafkaAccess, tmp_path: Path) -> None:
    order = captured()
    await send(kafka, [*placed_order().entries, *order.entries, *placed_order().entries])
    found, lacks = await of_order(target_at(kafka, tmp_path), order.id)
    assert ({entry.id for entry in found}, lacks) == ({entry.id for entry in order.entries}, [])


async def test_an_order_without_a_time_in_its_id_is_found_too(kafka: KafkaAccess, tmp_path: Path) -> None:
    order = Order(order=str(uuid.uuid4())).event("orders.order-cancelled.v1", 0, reason="unknown-order")
    await send(kafka, order.entries)
    found, _ = await of_order(target_at(kafka, tmp_path), order.id)
    assert order.entries[0].id in {entry.id for entry in found}


async def test_an_order_that_does_not_exist_has_no_record(kafka: KafkaAccess, tmp_path: Path) -> None:
    assert await of_order(target_at(kafka, tmp_path), order_id()) == ([], [])


async def test_a_search_that_is_too_long_ends_and_says_so(
    kafka: KafkaAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MOST_SCANNED", 5)
    monkeypatch.setattr(log, "TOGETHER", 2)
    order = placed_order()
    await send(kafka, order.entries * 20)
    _, lacks = await of_order(target_at(kafka, tmp_path), order.id)
    assert [sentence.split()[0] for sentence in lacks] == ["Only"]


async def test_the_newest_records_are_read_and_rubbish_is_foreign(
    kafka: KafkaAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "LOOK_BACK", 10)
    order = placed_order()
    await send(kafka, order.entries * 50)
    seen: list[Entry] = []
    async with aclosing(newest(target_at(kafka, tmp_path), EVENTS)) as batches:
        async for entries in batches:
            seen += entries
            # A broker that is slow answers nothing at first, so an empty batch alone is no end.
            if not entries and any(entry.key == order.id for entry in seen):
                break
        assert sum(entry.key == order.id for entry in seen) == 10
        async with AIOKafkaProducer(**kafka.client) as producer:
            await producer.send_and_wait("orders.order.v1", b"\xff\x00", order.id.encode())
        rubbish = await first_of(batches)
    assert (rubbish.value, rubbish.fault) == (b"\xff\x00", "it has no ce_type")
    kept = Memory(TOPICS)
    kept.add([rubbish])
    assert kept.orders[order.id].summary()["foreign"] is True


async def first_of(batches: AsyncGenerator[list[Entry], None]) -> Entry:
    """The next record of a stream."""
    while not (entries := await anext(batches)):
        pass
    return entries[0]


async def test_without_kafka_the_log_is_unreadable(tmp_path: Path) -> None:
    away = target_at(KafkaAccess("127.0.0.1:1"), tmp_path)
    with pytest.raises(LogUnreadable, match="is the shop up"):
        await of_order(away, order_id())
    with pytest.raises(LogUnreadable, match="is the shop up"):
        await anext(newest(away, EVENTS))


def test_after_partitions_were_added_a_key_may_lie_in_two() -> None:
    key = order_id()
    topic = next(topic for topic in TOPICS if topic.name == "orders.order.v1")
    actual = [TopicPartition(topic.name, number) for number in range(24)]
    places = places_of_key(key, {topic.name: topic}, actual)
    wanted = {partition_of(key.encode(), 12), partition_of(key.encode(), 24)}
    assert {place.partition for place in places} == wanted


def test_the_time_in_an_orders_id_is_read() -> None:
    moment = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    assert placed_at(order_id(moment)) == moment
    assert placed_at(str(uuid.uuid4())) is None
    assert placed_at("x") is None
