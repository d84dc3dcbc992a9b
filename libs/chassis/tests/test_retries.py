"""While rows that were set aside are tried, all other rows are sent, and no shard changes its relay."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from chassis.backoff import Backoff
from chassis.events import Cause
from chassis.outbox import Database, OutboxRow, Relay, RowsNotSent, Unsent, UnsentReason, rows, set_aside
from chassis.outbox.relay import SESSION
from chassis.postgres import Driver
from chassis.tuning import planner
from testkit import eventually
from testkit.databases import TestDatabase


class Broker(list[OutboxRow]):
    """A transport for pages. The topic "closed" accepts no row."""

    async def __call__(self, page: Sequence[OutboxRow]) -> None:
        self += [row for row in page if row.topic != "closed"]
        unsent = [
            Unsent(row, UnsentReason.TOPIC_UNAVAILABLE, "no leader") for row in page if row.topic == "closed"
        ]
        if unsent:
            raise RowsNotSent(unsent)


class SlowTries(list[OutboxRow]):
    """A transport for tries. A try ends when `may_end` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun = asyncio.Event()
        self.may_end = asyncio.Event()

    async def __call__(self, page: Sequence[OutboxRow]) -> None:
        self.has_begun.set()
        await self.may_end.wait()
        self += page


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> SlowTries:
    monkeypatch.setattr(set_aside, "TRIES", Backoff(first=0))
    return SlowTries()


@pytest.fixture
async def running(project: TestDatabase, broker: Broker, tries: SlowTries) -> AsyncIterator[Relay]:
    """A relay that runs."""
    relay = Relay(project.url, broker, retry=tries, poll_seconds=0.05, server_settings=planner.RELAY_SETTINGS)
    task = asyncio.create_task(relay.run())
    yield relay
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
async def connection(project: TestDatabase) -> AsyncIterator[Driver]:
    opened = await asyncpg.connect(project.url, server_settings=SESSION)
    yield opened
    await opened.close()


async def _write(db: Database, topic: str, data: str) -> None:
    async with db.transaction() as tx:
        tx.rows.append(rows.new_row(topic, "a", "x.y.v1", Cause(None, "a", None), data))


async def _begin_a_try(db: Database, tries: SlowTries, data: str) -> None:
    """A row is set aside, and is being tried."""
    await _write(db, "closed", data)
    await asyncio.wait_for(tries.has_begun.wait(), 10)


async def _eventually_has(broker: Broker, data: str) -> None:
    async def has_it() -> None:
        assert data in {row.data for row in broker}

    await eventually(has_it)


async def test_a_try_that_does_not_end_delays_no_other_row(
    running: Relay, db: Database, broker: Broker, tries: SlowTries
) -> None:
    await _begin_a_try(db, tries, "copy")
    for n in range(5):
        await _write(db, "open", f"event {n}")
        await _eventually_has(broker, f"event {n}")
    assert tries == []


async def test_rows_behind_a_row_that_is_being_tried_are_sent_after_it(
    running: Relay, db: Database, broker: Broker, tries: SlowTries, connection: Driver
) -> None:
    await _begin_a_try(db, tries, "first")
    await _write(db, "closed", "second")

    async def both_are_set_aside() -> None:
        assert await connection.fetchval("SELECT count(*) FROM outbox_set_aside") == 2

    await eventually(both_are_set_aside)
    tries.may_end.set()

    async def all_are_sent() -> None:
        assert [row.data for row in tries] == ["first", "second"]
        assert await connection.fetchval("SELECT count(*) FROM outbox_set_aside") == 0

    await eventually(all_are_sent)


async def test_a_shard_whose_rows_are_being_tried_is_not_given_up_until_the_try_has_ended(
    running: Relay, db: Database, tries: SlowTries, connection: Driver
) -> None:
    await _begin_a_try(db, tries, "copy")
    all_shards = set(running.shards)
    other = Relay("postgresql://not-asked", Broker(), preferred_shards=lambda: all_shards)
    await other.leases.renew(connection)

    async def renewals_are_postponed() -> None:
        assert not running.leases.up_to_date.is_set()

    await eventually(renewals_are_postponed)
    await other.leases.renew(connection)
    assert other.shards == set()
    assert set(running.shards) == all_shards
    tries.may_end.set()

    async def the_other_relay_has_them() -> None:
        await other.leases.renew(connection)
        assert other.shards == all_shards

    await eventually(the_other_relay_has_them)


async def test_a_relay_that_ends_cancels_its_try(
    project: TestDatabase, db: Database, broker: Broker, tries: SlowTries
) -> None:
    relay = Relay(project.url, broker, retry=tries, poll_seconds=0.05)
    task = asyncio.create_task(relay.run())
    await _begin_a_try(db, tries, "copy")
    task.cancel()
    await asyncio.wait([task])
    tries.may_end.set()
    left = [each for each in asyncio.all_tasks() if "supervise" in repr(each.get_coro())]
    assert left == []
    assert tries == []
