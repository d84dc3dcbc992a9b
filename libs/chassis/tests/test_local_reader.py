"""The reader of topics in the database: what it skips, what waits, and who reads if several processes could."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from chassis.errors import Unavailable
from chassis.events import Cause, PublishedEvent
from chassis.inbox import Inbox, Subscriptions
from chassis.local import LocalReader, NoRelay, ReaderSettings, wake_readers
from chassis.local.replay import replay_of_outboxes
from chassis.local.wakeups import READERS, ReaderNotifier
from chassis.outbox import Database, shard_of
from chassis.supervisor import supervise
from libs.chassis.tests.local_topics import TOPIC, provide_topics
from shop_stack.postgres import Server
from testkit import eventually
from testkit.databases import TestDatabase

Counted = Callable[[str, int], PublishedEvent]
EffectsIn = Callable[[Database], Awaitable[list[tuple[str, int]]]]
NEVER = 3_600.0
BEGIN_LATE = text("SELECT pg_current_xact_id()")
LETTERS = text("SELECT topic, partition, state FROM dead_letters")
FORGET_INBOX = text("DELETE FROM inbox")


@pytest.fixture
async def topics(project: TestDatabase, postgres_server: Server) -> TestDatabase:
    """A database with a topic."""
    await provide_topics(postgres_server, project)
    return project


@pytest.fixture
def inbox(db: Database, subscriptions: Subscriptions) -> Inbox:
    return Inbox(db, "things", subscriptions, max_attempts=2)


@asynccontextmanager
async def reading(inbox: Inbox, database: TestDatabase, **settings: Any) -> AsyncIterator[LocalReader]:
    """A reader that runs while the block does."""
    reader = LocalReader(inbox, {TOPIC}, ReaderSettings(database.url, **settings))
    task = asyncio.create_task(supervise("reader", reader.run, reader.stopping.is_set))
    try:
        yield reader
    finally:
        reader.stop()
        await task


async def publish(db: Database, *events: PublishedEvent) -> None:
    async with db.transaction() as tx:
        for event in events:
            tx.publish(event, cause=Cause(None, event.subject, None))


def handled(effects_in: EffectsIn, db: Database, *expected: tuple[str, int]) -> Callable[[], Awaitable[None]]:
    async def look() -> None:
        assert await effects_in(db) == list(expected)

    return look


async def is_reading(reader: LocalReader) -> None:
    assert reader.is_reading


async def test_a_commit_in_this_process_wakes_the_reader(
    topics: TestDatabase, db: Database, inbox: Inbox, thing_counted: Counted, effects_in: EffectsIn
) -> None:
    async with reading(inbox, topics, poll_seconds=NEVER) as reader:
        await eventually(lambda: is_reading(reader))
        await publish(db, thing_counted("a", 1))
        assert wake_readers([TOPIC, "things.dead-letters"]) == set()
        await eventually(handled(effects_in, db, ("a", 1)))


async def test_a_commit_in_another_process_notifies_the_reader(
    topics: TestDatabase, db: Database, inbox: Inbox, thing_counted: Counted, effects_in: EffectsIn
) -> None:
    assert READERS == []
    elsewhere = wake_readers([TOPIC])  # as in a process that answers requests alone
    assert elsewhere == {TOPIC}
    notifier = ReaderNotifier()
    notifying = asyncio.create_task(notifier.run(db))
    async with reading(inbox, topics, poll_seconds=NEVER) as reader:
        await eventually(lambda: is_reading(reader))
        await publish(db, thing_counted("a", 1))
        notifier.add(elsewhere)
        await eventually(handled(effects_in, db, ("a", 1)))
    notifying.cancel()


async def test_a_transaction_that_commits_late_is_not_skipped_and_holds_up_nobody(
    topics: TestDatabase, db: Database, inbox: Inbox, thing_counted: Counted, effects_in: EffectsIn
) -> None:
    async with reading(inbox, topics, poll_seconds=0.05):
        async with db.transaction() as late:
            late.publish(thing_counted("late", 1), cause=Cause(None, "late", None))
            await late.connection.rows(BEGIN_LATE)
            await publish(db, thing_counted("early", 1))
            await eventually(handled(effects_in, db, ("early", 1)))
        await eventually(handled(effects_in, db, ("early", 1), ("late", 1)))


async def test_an_event_that_fails_stops_its_own_shard_alone_and_becomes_a_dead_letter(
    topics: TestDatabase,
    db: Database,
    inbox: Inbox,
    effects: Any,
    thing_counted: Counted,
    effects_in: EffectsIn,
) -> None:
    poison = uuid4().hex
    other = next(name for name in (uuid4().hex for _ in range(100)) if shard_of(name) != shard_of(poison))
    effects.fails = lambda name, number: RuntimeError("a bug") if name == poison else None
    async with reading(inbox, topics, poll_seconds=0.05):
        await publish(db, thing_counted(poison, 1), thing_counted(other, 1), thing_counted(other, 2))
        await eventually(handled(effects_in, db, (other, 1), (other, 2)))

        async def is_held() -> None:
            async with db.reading() as connection:
                found = [tuple(row) for row in await connection.rows(LETTERS)]
                assert found == [(TOPIC, shard_of(poison), "HELD")]

        await eventually(is_held, 20)


async def test_a_dependency_that_is_away_makes_no_dead_letter_and_loses_nothing(
    topics: TestDatabase,
    db: Database,
    inbox: Inbox,
    effects: Any,
    thing_counted: Counted,
    effects_in: EffectsIn,
) -> None:
    refused: list[int] = []

    def fails(name: str, number: int) -> Exception | None:
        if len(refused) >= 3:
            return None
        refused.append(number)
        return Unavailable("the other company is closed")

    effects.fails = fails
    async with reading(inbox, topics, poll_seconds=0.05):
        await publish(db, *(thing_counted("a", n) for n in range(3)))
        await eventually(handled(effects_in, db, *(("a", n) for n in range(3))), 20)
    async with db.reading() as connection:
        assert await connection.rows(LETTERS) == []


async def test_a_backlog_is_read_in_pages_and_each_event_once_in_the_order_of_its_key(
    topics: TestDatabase, db: Database, inbox: Inbox, thing_counted: Counted, effects_in: EffectsIn
) -> None:
    names = [uuid4().hex for _ in range(5)]
    for n in range(20):
        await publish(db, *(thing_counted(name, n) for name in names))
    async with reading(inbox, topics, poll_seconds=0.05, batch_size=7):

        async def all_handled() -> None:
            done = await effects_in(db)
            assert len(done) == 100
            for name in names:
                assert [number for thing, number in done if thing == name] == list(range(20))

        await eventually(all_handled, 20)


async def test_a_reader_that_comes_back_goes_on_behind_its_saved_position(
    topics: TestDatabase,
    db: Database,
    inbox: Inbox,
    effects: Any,
    thing_counted: Counted,
    effects_in: EffectsIn,
) -> None:
    await publish(db, thing_counted("a", 1))
    async with reading(inbox, topics, poll_seconds=0.05):
        await eventually(handled(effects_in, db, ("a", 1)))
    async with db.transaction() as tx:
        await tx.connection.rows(FORGET_INBOX)  # so that a row that is read again has its effect again
    await publish(db, thing_counted("a", 2))
    async with reading(inbox, topics, poll_seconds=0.05):
        await eventually(handled(effects_in, db, ("a", 1), ("a", 2)))


async def test_one_of_two_readers_reads_and_the_other_takes_over_when_it_ends(
    topics: TestDatabase, db: Database, inbox: Inbox, thing_counted: Counted, effects_in: EffectsIn
) -> None:
    async with reading(inbox, topics) as first:
        await eventually(lambda: is_reading(first))
        async with reading(inbox, topics) as standby:

            async def knows_of_it() -> None:
                assert standby.is_assigned

            await eventually(knows_of_it)
            assert not standby.is_reading
            assert wake_readers([TOPIC]) == {TOPIC}  # the standby's process tells the others
            first.stop()
            await eventually(lambda: is_reading(standby), 20)
            await publish(db, thing_counted("a", 1))
            await eventually(handled(effects_in, db, ("a", 1)), 20)


async def test_a_reader_whose_lease_another_one_has_taken_saves_no_position(
    topics: TestDatabase, db: Database, inbox: Inbox, thing_counted: Counted, effects_in: EffectsIn
) -> None:
    owner = await asyncpg.connect(topics.owner_url)
    async with reading(inbox, topics, poll_seconds=0.05) as reader:
        await eventually(lambda: is_reading(reader))
        await publish(db, thing_counted("a", 1))
        await eventually(handled(effects_in, db, ("a", 1)))
        await owner.execute(
            "UPDATE reader_lease SET owner = gen_random_uuid(), lease_until = now() + interval '1 hour'"
        )
        await owner.execute("DELETE FROM reader_position")

        async def has_noticed() -> None:
            assert not reader.is_reading

        await eventually(has_noticed, 20)
    assert await owner.fetchval("SELECT count(*) FROM reader_position") == 0
    await owner.close()


async def test_without_kafka_old_rows_may_be_pruned_although_no_relay_sends_them(
    topics: TestDatabase, db: Database, thing_counted: Counted
) -> None:
    await publish(db, thing_counted("a", 1))
    relay = NoRelay(topics.url, poll_seconds=0.05)
    task = asyncio.create_task(relay.run())
    owner = await asyncpg.connect(topics.owner_url)

    async def is_behind_all() -> None:
        unsent = await owner.fetchval(
            "SELECT count(*) FROM outbox JOIN relay_cursor USING (shard)"
            " WHERE NOT pg_visible_in_snapshot(xid, snapshot)"
        )
        assert unsent == 0

    await eventually(is_behind_all)
    task.cancel()
    await asyncio.wait([task])
    await owner.close()


async def test_a_replay_gives_each_row_once_also_when_it_goes_on_later(
    topics: TestDatabase, db: Database, thing_counted: Counted
) -> None:
    await publish(db, *(thing_counted(f"thing-{n}", n) for n in range(10)))
    seen: list[bytes | None] = []
    async with replay_of_outboxes(topics.url, None, {}, [TOPIC], {}) as first:
        assert first.total == 10
        seen += [message.key for message in await first.next(4)]
        saved = dict(first.positions)
        assert not first.is_finished
    await publish(db, thing_counted("thing-10", 10))
    async with replay_of_outboxes(topics.url, None, {}, [TOPIC], saved) as second:
        assert (second.read, second.total) == (4, 11)
        while not second.is_finished:
            seen += [message.key for message in await second.next(4)]
        assert second.read == 11
        assert await second.lost() == set()
    assert seen == [f"thing-{n}".encode() for n in range(11)]


async def test_a_replay_names_a_topic_whose_first_rows_were_deleted(
    topics: TestDatabase, db: Database, thing_counted: Counted
) -> None:
    await publish(db, thing_counted("a", 1), thing_counted("a", 2))
    owner = await asyncpg.connect(topics.owner_url)
    await owner.execute("DELETE FROM outbox WHERE id = 1")
    await owner.close()
    async with replay_of_outboxes(topics.url, None, {}, [TOPIC], {}) as replay:
        assert await replay.lost() == {TOPIC}
