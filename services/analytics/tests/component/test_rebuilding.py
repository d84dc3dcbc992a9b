"""A rebuild from offset 0 gives the same tables, while everything goes on, and survives being killed."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from sqlalchemy import text

from analytics import handlers, jobs
from analytics.jobs import MODELS, rebuild
from chassis.events import Cause, encode, new_id
from chassis.kafka.replay import replay_of_kafka
from chassis.replaying import OpenReplay
from shop_stack.kafka_access import KafkaAccess
from testkit import statements

ENDINGS = ["confirmed", "rejected", "declined", "cancelled", "pending"]

AWAY = {"bootstrap_servers": "127.0.0.1:1"}
"""A broker that does not answer."""


def replay_of(kafka: dict[str, Any]) -> OpenReplay:
    """Reads the topics of this broker."""
    return partial(replay_of_kafka, kafka, jobs.TOPICS)


class Killed(BaseException):
    """What kill -9 looks like from inside: nothing after it runs."""


@pytest.fixture
async def history(ledger: Any, story: Any, kafka: KafkaAccess) -> list[Any]:
    """A few orders and a product, on the topics and in the active generation."""
    told = [event for ending in ENDINGS for event in story.order(ending)]
    told += story.product(f"sku-{new_id()}", "Mug", "Blue mug")
    await publish(kafka, told)
    await ledger.project_each(told)
    return told


@pytest.fixture
async def in_twenty_batches(history: list[Any], kafka: KafkaAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebuild in some twenty batches, however much other tests have left on the topics."""
    consumer = AIOKafkaConsumer(*jobs.TOPICS, **kafka.client, group_id=None)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
    finally:
        await consumer.stop()
    monkeypatch.setattr(jobs, "MESSAGES_AT_ONCE", 1 + sum(ends.values()) // 20)


async def publish(kafka: KafkaAccess, events: Sequence[Any]) -> None:
    producer = AIOKafkaProducer(**kafka.client)
    await producer.start()
    try:
        for type_, key, data in events:
            topic = MODELS[type_].topic
            source = "/" + topic.partition(".")[0]
            headers = encode(new_id(), source, type_, key, datetime.now(UTC), Cause(None, key, None))
            await producer.send(topic, json.dumps(data).encode(), key=key.encode(), headers=headers)
    finally:
        await producer.stop()


async def open_rebuild(ledger: Any) -> int:
    async with ledger.database.transaction() as tx:
        return await handlers.open_rebuild(tx)


async def same_as(ledger: Any, generation: int, history: Sequence[Any], expected: Any) -> None:
    """The broker is shared: only what this test published is compared."""
    keys = {key for _, key, _ in history}
    orders, products = await ledger.orders(generation), await ledger.products(generation)
    assert {k: v for k, v in orders.items() if str(k) in keys} == expected[0]
    assert {k: v for k, v in products.items() if k in keys} == expected[1]


async def state(ledger: Any, generation: int) -> str:
    (row,) = await ledger.all("SELECT state FROM projection_state WHERE generation = $1", generation)
    return str(row["state"])


async def test_a_rebuild_gives_the_same_tables_and_clears_the_old_ones(
    ledger: Any, history: list[Any], kafka: KafkaAccess
) -> None:
    expected = (await ledger.orders(1), await ledger.products(1))
    assert len(expected[0]) == len(ENDINGS)
    generation = await open_rebuild(ledger)
    assert await rebuild(replay_of(kafka.client), ledger.database) == 1
    await same_as(ledger, generation, history, expected)
    assert await ledger.orders(1) == {}
    assert await ledger.products(1) == {}
    assert (await state(ledger, 1), await state(ledger, 2)) == ("REMOVED", "ACTIVE")


async def test_without_an_open_rebuild_the_job_asks_once_and_rests(ledger: Any) -> None:
    with statements() as sent:
        assert await rebuild(replay_of(AWAY), ledger.database) == 0
    assert len(sent) == 1


async def test_progress_can_be_read_and_ends_complete(
    ledger: Any, history: list[Any], kafka: KafkaAccess
) -> None:
    generation = await open_rebuild(ledger)
    await rebuild(replay_of(kafka.client), ledger.database)
    async with ledger.database.reading() as connection:
        done = await handlers.read_rebuild(connection, generation)
    assert done.messages_total is not None
    assert done.messages_read == done.messages_total >= len(history)
    assert done.activated_at is not None


async def test_a_rebuild_that_was_killed_goes_on_where_it_was(
    ledger: Any, history: list[Any], kafka: KafkaAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = (await ledger.orders(1), await ledger.products(1))
    monkeypatch.setattr(jobs, "MESSAGES_AT_ONCE", 10)
    saves = 0
    save = handlers.save_progress

    async def killed_in_the_third(*args: Any, **kwargs: Any) -> None:
        nonlocal saves
        saves += 1
        if saves == 3:
            raise Killed
        await save(*args, **kwargs)

    generation = await open_rebuild(ledger)
    with monkeypatch.context() as life:
        life.setattr(handlers, "save_progress", killed_in_the_third)
        with pytest.raises(Killed):
            await rebuild(replay_of(kafka.client), ledger.database)
    async with ledger.database.reading() as connection:
        left = await handlers.read_rebuild(connection, generation)
    assert 0 < left.messages_read < (left.messages_total or 0)
    assert await state(ledger, generation) == "BUILDING"

    monkeypatch.setattr(jobs, "MESSAGES_AT_ONCE", 2_000)
    assert await rebuild(replay_of(kafka.client), ledger.database) == 1
    await same_as(ledger, generation, history, expected)


async def test_one_that_was_killed_before_clearing_away_is_cleared_away_later(
    ledger: Any, history: list[Any], kafka: KafkaAccess
) -> None:
    await open_rebuild(ledger)
    async with ledger.database.transaction() as tx:
        await handlers.activate_rebuild(tx, 2)
    assert await rebuild(replay_of(kafka.client), ledger.database) == 1
    assert await ledger.orders(1) == {}
    assert await rebuild(replay_of(kafka.client), ledger.database) == 0


async def test_positions_of_a_topic_that_was_lost_are_not_trusted(
    ledger: Any, history: list[Any], kafka: KafkaAccess
) -> None:
    expected = (await ledger.orders(1), await ledger.products(1))
    generation = await open_rebuild(ledger)
    positions = {f"{topic}/{n}": 10**9 for topic in jobs.TOPICS for n in range(12)}
    async with ledger.database.transaction() as tx:
        await tx.connection.execute(
            text("UPDATE projection_state SET positions = CAST(:p AS jsonb) WHERE generation = 2"),
            {"p": json.dumps(positions)},
        )
    await rebuild(replay_of(kafka.client), ledger.database)
    await same_as(ledger, generation, history, expected)


async def test_live_events_during_a_rebuild_are_in_the_new_tables(
    ledger: Any, story: Any, history: list[Any], kafka: KafkaAccess, in_twenty_batches: None
) -> None:
    generation = await open_rebuild(ledger)
    later = [story.order(ending) for ending in ENDINGS * 4]
    live = [ledger.project_each(saga) for saga in later]
    await asyncio.gather(rebuild(replay_of(kafka.client), ledger.database), *live)
    rows = await ledger.orders(generation)
    keys = {key for saga in later for _, key, _ in saga} | {key for _, key, _ in history}
    orders = {key for key in keys if not key.startswith("sku-")}
    assert orders <= {str(order_id) for order_id in rows}


async def test_reports_never_see_half_of_a_rebuild(
    ledger: Any, history: list[Any], kafka: KafkaAccess, in_twenty_batches: None
) -> None:
    await open_rebuild(ledger)
    rebuilding = asyncio.create_task(rebuild(replay_of(kafka.client), ledger.database))
    seen = set()
    while not rebuilding.done():
        async with ledger.database.reading() as connection:
            seen.add((await handlers.report_funnel(connection))["placed"])
    await rebuilding
    async with ledger.database.reading() as connection:
        complete = (await handlers.report_funnel(connection))["placed"]
    assert seen <= {len(ENDINGS), complete}


async def test_what_nobody_can_read_is_skipped_and_counted(
    ledger: Any, history: list[Any], kafka: KafkaAccess
) -> None:
    expected = (await ledger.orders(1), await ledger.products(1))
    producer = AIOKafkaProducer(**kafka.client)
    await producer.start()
    await producer.send_and_wait("orders.order.v1", b"not JSON at all", key=str(new_id()).encode())
    await producer.stop()
    await publish(kafka, [("orders.order-placed.v1", str(new_id()), {"no": "fields"})])
    generation = await open_rebuild(ledger)
    await rebuild(replay_of(kafka.client), ledger.database)
    await same_as(ledger, generation, history, expected)
    async with ledger.database.reading() as connection:
        assert (await handlers.read_rebuild(connection, generation)).messages_skipped >= 2


async def test_of_two_replicas_one_rebuilds(ledger: Any, history: list[Any], kafka: KafkaAccess) -> None:
    await open_rebuild(ledger)
    done = await asyncio.gather(*(rebuild(replay_of(kafka.client), ledger.database) for _ in range(2)))
    assert sorted(done) == [0, 1]
