"""What may be forgotten, what must not, and what can be sent again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from uuid import uuid4

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from prometheus_client import REGISTRY
from sqlalchemy import text

from chassis.errors import Unavailable
from chassis.events import Cause, PublishedEvent, RawMessage
from chassis.inbox import Inbox
from chassis.jobs.prune import prune
from chassis.kafka import topic_retention
from chassis.kafka.topic_retention import RetentionTooShort, check_retention, watch_retention
from chassis.outbox import Database, OutboxRow, Relay
from chassis.outbox.republish import republish_all
from chassis.settings import ServiceSettings
from shop_stack.kafka_access import KafkaAccess
from testkit import eventually
from testkit.databases import TestDatabase

NOTHING = timedelta(0)
LONG = timedelta(days=8)


async def count(db: Database, table: str) -> int:
    async with db.reading() as connection:
        return int(await connection.value(text(f"SELECT count(*) FROM {table}")))


async def publish(db: Database, event: PublishedEvent) -> None:
    async with db.transaction() as tx:
        tx.publish(event, cause=Cause(None, event.subject, None))


# What the cursor is not past is not yet known to be sent, even if it was.
NOT_PASSED = text("""SELECT count(*) FROM outbox JOIN relay_cursor c USING (shard)
WHERE NOT pg_visible_in_snapshot(xid, c.snapshot)""")


async def relay_until_sent(db: Database, project: TestDatabase, sent: list[OutboxRow], expected: int) -> None:
    async def send(rows: Sequence[OutboxRow]) -> None:
        sent.extend(rows)

    relay = Relay(project.url, send, poll_seconds=0.02)
    task = asyncio.create_task(relay.run())

    async def all_sent() -> None:
        async with db.reading() as connection:
            assert (len(sent), await connection.value(NOT_PASSED)) == (expected, 0)

    try:
        await eventually(all_sent)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_rows_that_were_not_sent_are_kept_however_old_they_are(
    db: Database, project: TestDatabase, thing_counted: Callable[[str, int], PublishedEvent]
) -> None:
    await publish(db, thing_counted("a", 1))
    assert await prune(db, NOTHING, LONG) == 0
    await relay_until_sent(db, project, [], 1)
    assert await prune(db, LONG, LONG) == 0
    assert await prune(db, NOTHING, LONG) == 1
    assert await count(db, "outbox") == 0


async def test_inbox_rows_go_when_their_time_has_passed_and_not_before(
    db: Database, inbox: Inbox, message: Callable[..., RawMessage]
) -> None:
    await inbox.process([message(f"thing-{n}", n) for n in range(10)])
    assert await prune(db, LONG, LONG) == 0
    assert await prune(db, LONG, NOTHING) == 10
    assert await count(db, "inbox") == 0


async def test_dead_letters_go_long_after_they_were_ended_and_open_ones_stay(
    db: Database, inbox: Inbox, message: Callable[..., RawMessage]
) -> None:
    await inbox.process([message("a", 1, drop="ce_id"), message("b", 1, drop="ce_id")])
    async with db.transaction() as tx:
        await tx.connection.execute(
            text("UPDATE dead_letters SET state = 'DISCARDED', ended_at = now() WHERE key = 'a'")
        )
    await prune(db, LONG, LONG)
    assert await count(db, "dead_letters") == 2
    await prune(db, LONG, NOTHING)
    assert await count(db, "dead_letters") == 1


async def test_republishing_sends_what_is_retained_once_more_and_has_no_second_effect(
    db: Database,
    project: TestDatabase,
    inbox: Inbox,
    operator: httpx.AsyncClient,
    message: Callable[..., RawMessage],
    thing_counted: Callable[[str, int], PublishedEvent],
    effects_in: Callable[[Database], Awaitable[list[tuple[str, int]]]],
) -> None:
    for n in range(3):
        await publish(db, thing_counted("a", n))
    sent: list[OutboxRow] = []
    await relay_until_sent(db, project, sent, 3)
    answer = await operator.post("/admin/republish")
    assert (answer.status_code, answer.json()) == (202, {"events": 3})
    await relay_until_sent(db, project, sent, 6)
    assert [row.event_id for row in sent[:3]] == [row.event_id for row in sent[3:]]
    await inbox.process([message(row.key, n % 3, id=row.event_id) for n, row in enumerate(sent)])
    assert await effects_in(db) == [("a", 0), ("a", 1), ("a", 2)]


async def test_a_running_relay_notices_that_everything_is_to_be_sent_again(
    db: Database, project: TestDatabase, thing_counted: Callable[[str, int], PublishedEvent]
) -> None:
    sent: list[OutboxRow] = []

    async def send(rows: Sequence[OutboxRow]) -> None:
        sent.extend(rows)

    task = asyncio.create_task(Relay(project.url, send, poll_seconds=0.02).run())
    await publish(db, thing_counted("a", 1))

    async def sent_times(times: int) -> None:
        assert len(sent) == times

    await eventually(lambda: sent_times(1))
    await republish_all(db)
    await eventually(lambda: sent_times(2))
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def known(topic: str, kafka: KafkaAccess) -> None:
    try:
        await check_retention(kafka.client, [topic], LONG)
    except Unavailable as error:
        raise AssertionError from error
    except RetentionTooShort:
        return


async def test_a_topic_that_is_not_there_is_waited_for(kafka: KafkaAccess) -> None:
    with pytest.raises(Unavailable):
        await check_retention(kafka.client, ["things.nowhere.v1"], LONG)


@pytest.mark.parametrize(
    ("config", "fits"),
    [
        ({"retention.ms": "3600000"}, True),
        ({"retention.ms": str(30 * 24 * 3_600_000)}, False),
        ({"retention.ms": "-1"}, False),
        ({"retention.ms": "-1", "cleanup.policy": "compact"}, True),
        # 7 days, but in segments of 7 days: the oldest event of a segment goes with its newest.
        ({"retention.ms": str(7 * 24 * 3_600_000)}, False),
        ({"retention.ms": str(7 * 24 * 3_600_000), "segment.ms": str(12 * 3_600_000)}, True),
        ({"retention.ms": str(9_223_372_036_854_775_807)}, False),
    ],
)
async def test_a_topic_that_outlives_the_inbox_is_refused_with_the_cure(
    kafka: KafkaAccess, kafka_admin: AIOKafkaAdminClient, config: dict[str, str], fits: bool
) -> None:
    topic = f"things.{uuid4().hex[:8]}.v1"
    await kafka_admin.create_topics(
        [NewTopic(topic, num_partitions=1, replication_factor=1, topic_configs=config)]
    )
    await eventually(lambda: known(topic, kafka))
    if fits:
        await check_retention(kafka.client, [topic], LONG)
    else:
        with pytest.raises(RetentionTooShort, match="INBOX_RETENTION"):
            await check_retention(kafka.client, [topic], LONG)
    await kafka_admin.delete_topics([topic])


async def test_the_inbox_must_also_outlast_a_republish(
    kafka: KafkaAccess, kafka_admin: AIOKafkaAdminClient
) -> None:
    topic = f"things.{uuid4().hex[:8]}.v1"
    await kafka_admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"retention.ms": "3600000"})])
    await eventually(lambda: known(topic, kafka))
    address = kafka.client
    await check_retention(address, [topic], timedelta(days=8), timedelta(hours=22))
    with pytest.raises(RetentionTooShort):
        await check_retention(address, [topic], timedelta(days=8), timedelta(days=1))
    await kafka_admin.delete_topics([topic])


async def test_every_topic_that_outlives_the_inbox_is_named_and_measured(
    kafka: KafkaAccess, kafka_admin: AIOKafkaAdminClient
) -> None:
    topics = [f"things.{uuid4().hex[:8]}.v1" for _ in range(2)]
    await kafka_admin.create_topics([NewTopic(topic, 1, 1) for topic in topics])
    for topic in topics:
        await eventually(partial(known, topic, kafka))
    with pytest.raises(RetentionTooShort) as caught:
        await check_retention(kafka.client, topics, timedelta(days=1))
    for topic in topics:
        assert topic in str(caught.value)
        assert REGISTRY.get_sample_value("chassis_inbox_retention_too_short", {"topic": topic}) == 1
    await kafka_admin.delete_topics(topics)


async def test_the_defaults_of_the_chassis_outlast_the_defaults_of_kafka(
    kafka: KafkaAccess, kafka_admin: AIOKafkaAdminClient
) -> None:
    topic = f"things.{uuid4().hex[:8]}.v1"
    await kafka_admin.create_topics([NewTopic(topic, 1, 1)])
    await eventually(lambda: known(topic, kafka))
    inbox = ServiceSettings.model_fields["inbox_retention"].default
    outbox = ServiceSettings.model_fields["outbox_retention"].default
    await check_retention(kafka.client, [topic], inbox, outbox)
    await kafka_admin.delete_topics([topic])


async def test_the_check_is_repeated_and_shows_a_topic_that_was_given_more_time(
    kafka: KafkaAccess, kafka_admin: AIOKafkaAdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"things.{uuid4().hex[:8]}.v1"
    await kafka_admin.create_topics([NewTopic(topic, 1, 1, topic_configs={"retention.ms": "3600000"})])
    await eventually(lambda: known(topic, kafka))
    monkeypatch.setattr(topic_retention, "CHECK_SECONDS", 0.05)
    watch = watch_retention(kafka.client, [topic], LONG, NOTHING)
    watching = asyncio.create_task(watch)

    async def shows(too_short: bool) -> None:
        assert REGISTRY.get_sample_value("chassis_inbox_retention_too_short", {"topic": topic}) == too_short

    await eventually(lambda: shows(False))
    for_ever = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"retention.ms": "-1"})
    await kafka_admin.alter_configs([for_ever])
    await eventually(lambda: shows(True))
    assert not watching.done()
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    await kafka_admin.delete_topics([topic])
