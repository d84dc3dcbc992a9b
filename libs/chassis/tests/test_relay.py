"""Everything that was committed is sent, in the order of its key, once where nothing fails."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from chassis.errors import Unavailable
from chassis.events import Cause, PublishedEvent
from chassis.outbox import CHANNEL, SHARDS, Database, OutboxRow, Relay, rows, shard_of, shards_of_partitions
from chassis.outbox import relay as relay_module
from chassis.outbox.leases import RelayPosition
from chassis.outbox.relay import SESSION
from chassis.outbox.republish import republish_all
from chassis.postgres import Driver
from chassis.tuning import planner
from testkit import eventually
from testkit.databases import TestDatabase

Counted = Callable[[str, int], PublishedEvent]
Publish = Callable[..., Awaitable[None]]


class Sent(list[OutboxRow]):
    """A transport that keeps what it is given; `away` makes it refuse."""

    away = False

    async def __call__(self, rows: Sequence[OutboxRow]) -> None:
        if self.away:
            raise Unavailable("no broker")
        self.extend(rows)

    def numbers(self) -> list[str]:
        return [row.data for row in self]


@pytest.fixture
def publish(db: Database, thing_counted: Counted) -> Publish:
    async def publish(name: str, *numbers: int) -> None:
        async with db.transaction() as tx:
            for number in numbers:
                tx.publish(thing_counted(name, number), cause=Cause(None, name, None))

    return publish


class Running(AsyncExitStack):
    """Relays that run until the test ends."""

    async def start(self, url: str, sent: Sent, page: int = 2_000, poll_seconds: float = 0.02) -> Relay:
        relay = Relay(url, sent, poll_seconds=poll_seconds, page=page, server_settings=planner.RELAY_SETTINGS)
        await self.enter_async_context(_Task(relay))
        return relay


class _Task:
    def __init__(self, relay: Relay) -> None:
        self.relay = relay

    async def __aenter__(self) -> None:
        self.task = asyncio.create_task(self._forever())

    async def _forever(self) -> None:
        while True:
            with suppress(Unavailable, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await self.relay.run()
            await asyncio.sleep(0.02)

    async def __aexit__(self, *_: object) -> None:
        # Again and again, as a service does it: before Python 3.12, wait_for may swallow a cancellation.
        while not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task], timeout=1)


@pytest.fixture
async def relays() -> AsyncIterator[Running]:
    async with Running() as running:
        yield running


@pytest.fixture
async def connection(project: TestDatabase) -> AsyncIterator[Driver]:
    opened = await asyncpg.connect(project.url, server_settings=planner.RELAY_SETTINGS | SESSION)
    yield opened
    await opened.close()


async def _by_hand(
    connection: Driver, sent: Sent, page: int = 2_000, preferred: Collection[int] = ()
) -> Relay:
    """A relay that has taken its shards, on a connection, and does no more by itself."""
    relay = Relay("postgresql://not-asked", sent, page=page, preferred_shards=lambda: preferred)
    await relay.leases.renew(connection)
    return relay


async def test_rows_are_sent_in_the_order_in_which_their_transactions_wrote_them(
    project: TestDatabase, publish: Publish, relays: Running
) -> None:
    sent = Sent()
    for n in range(20):
        await publish("a", 2 * n, 2 * n + 1)
    await relays.start(project.url, sent)
    await eventually(lambda: _all(sent, 40))
    assert sent.numbers() == [f'{{"name":"a","number":{n}}}' for n in range(40)]


async def _all(sent: Sent, count: int) -> None:
    assert len(sent) >= count, f"{len(sent)} of {count} sent"


async def _saved(connection: Driver) -> dict[int, RelayPosition]:
    """Each shard's cursor as the database has it."""
    rows = await connection.fetch("SELECT shard, snapshot::text, upper::text, after_id FROM relay_cursor")
    return {shard: RelayPosition(*cursor) for shard, *cursor in rows}


async def _safe(connection: Driver, relay: Relay) -> None:
    assert relay.leases.positions
    assert await _saved(connection) == relay.leases.positions
    assert set(relay.leases.positions.values()) != {RelayPosition("3:3:")}


async def test_a_transaction_that_commits_late_is_not_skipped_and_holds_up_nobody(
    project: TestDatabase, db: Database, publish: Publish, thing_counted: Counted, relays: Running
) -> None:
    sent = Sent()
    await relays.start(project.url, sent)
    async with db.transaction() as slow:
        row = rows.row_of(thing_counted("slow", 1), Cause(None, "slow", None))
        await rows.write(slow.connection, [row])
        for n in range(30):
            await publish(f"quick-{n}", n)
        await eventually(lambda: _all(sent, 30))
        assert "slow" not in {row.key for row in sent}
    await eventually(lambda: _all(sent, 31))
    assert Counter(row.key for row in sent)["slow"] == 1
    assert len(sent) == 31


async def test_a_transaction_that_rolls_back_is_never_sent(
    project: TestDatabase, db: Database, publish: Publish, thing_counted: Counted, relays: Running
) -> None:
    sent = Sent()
    with suppress(RuntimeError):
        async with db.transaction() as undone:
            row = rows.row_of(thing_counted("gone", 1), Cause(None, "gone", None))
            await rows.write(undone.connection, [row])
            raise RuntimeError
    await publish("stays", 1)
    await relays.start(project.url, sent)
    await eventually(lambda: _all(sent, 1))
    assert [row.key for row in sent] == ["stays"]


async def test_a_backlog_is_sent_page_by_page_completely_and_in_order(
    project: TestDatabase, publish: Publish, relays: Running
) -> None:
    sent = Sent()
    await publish("a", *range(95))
    await relays.start(project.url, sent, page=10)
    await eventually(lambda: _all(sent, 95))
    await publish("a", 95)
    await eventually(lambda: _all(sent, 96))
    assert sent.numbers() == [f'{{"name":"a","number":{n}}}' for n in range(96)]


async def test_each_row_of_a_backlog_is_read_twice_at_most_however_many_pages_it_has(
    connection: Driver, publish: Publish
) -> None:
    sent = Sent()
    await publish("a", *range(2_000))
    relay = await _by_hand(connection, sent, page=100)
    while await relay.relay_once(connection):
        pass
    assert len(sent) == 2_000
    await connection.execute("SELECT pg_stat_force_next_flush()")
    read = await connection.fetchval(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables WHERE relname = 'outbox'"
    )
    # Once to find where the backlog begins, once to send it.
    assert 2_000 <= read <= 4_000 + 2 * 100


async def test_behind_a_page_that_is_not_full_nobody_looks_again(
    connection: Driver, publish: Publish
) -> None:
    sent = Sent()
    relay = await _by_hand(connection, sent, page=10)
    await publish("a", *range(15))
    more = [await relay.relay_once(connection) for _ in range(4)]
    # The first page was full; the second ends the window, what came since is unseen; then a look that finds nothing.
    assert more == [True, True, False, False]
    assert len(sent) == 15


async def test_what_commits_while_a_backlog_is_being_paged_is_sent_after_it(
    connection: Driver, db: Database, publish: Publish, thing_counted: Counted
) -> None:
    sent = Sent()
    relay = await _by_hand(connection, sent, page=10)
    async with db.transaction() as slow:
        row = rows.row_of(thing_counted("slow", 1), Cause(None, "slow", None))
        await rows.write(slow.connection, [row])
        await publish("a", *range(35))
        assert await relay.relay_once(connection)
        assert len(sent) == 10
    while await relay.relay_once(connection):
        pass
    assert [row.key for row in sent] == ["a"] * 35 + ["slow"]


async def test_when_the_transport_comes_back_everything_is_sent(
    project: TestDatabase, publish: Publish, relays: Running
) -> None:
    sent = Sent()
    sent.away = True
    await relays.start(project.url, sent)
    for n in range(5):
        await publish("a", n)
    sent.away = False
    await eventually(lambda: _all(sent, 5))
    assert sent.numbers() == [f'{{"name":"a","number":{n}}}' for n in range(5)]


async def test_relays_divide_the_shards_and_take_over_those_of_one_that_ends(
    project: TestDatabase, publish: Publish, relays: Running
) -> None:
    sent = Sent()
    first = await relays.start(project.url, sent)
    async with Running() as short:
        second = await short.start(project.url, sent)

        async def fairly_divided() -> None:
            assert len(first.leases.positions) == len(second.leases.positions) == SHARDS // 2
            assert not first.leases.positions.keys() & second.leases.positions.keys()

        await eventually(fairly_divided)
        for n in range(40):
            await publish(f"thing-{n}", n)
        await eventually(lambda: _all(sent, 40))
        assert len(sent) == 40

    async def taken_over() -> None:
        assert first.leases.positions.keys() == set(range(SHARDS))

    await eventually(taken_over)


async def test_a_relay_has_the_shards_whose_keys_its_process_consumes(connection: Driver) -> None:
    preferred: list[set[int]] = [set(), set()]
    first, second = [await _by_hand(connection, Sent(), preferred=shards) for shards in preferred]
    assert first.leases.positions.keys() == set(range(SHARDS))
    second.leases.owner = UUID(int=0)  # the order of the owners' ids must make no difference
    preferred[0].update(range(4))
    # The second consumes a topic of more partitions than there are shards.
    preferred[1].update(shards_of_partitions(range(3 + SHARDS, 8 + SHARDS)))
    for relay in (second, first, second):
        await relay.leases.renew(connection)
    # The shard that both consume stays where it was; those that nobody does are divided.
    assert set(range(4)) < first.leases.positions.keys()
    assert set(range(4, 8)) < second.leases.positions.keys()
    assert len(first.leases.positions) == len(second.leases.positions) == SHARDS // 2


async def test_shards_that_are_given_up_are_taken_at_once(
    connection: Driver, project: TestDatabase, relays: Running
) -> None:
    relay = await _by_hand(connection, Sent())
    other = await relays.start(project.url, Sent(), poll_seconds=3_600)
    await eventually(partial(_member, connection, other))
    await relay.leases.renew(connection)

    async def taken() -> None:
        assert other.leases.positions.keys() == set(range(SHARDS)) - relay.leases.positions.keys() != set()

    await eventually(taken)
    await relay.leases.release_all(connection)

    async def all_taken() -> None:
        assert other.leases.positions.keys() == set(range(SHARDS))

    await eventually(all_taken)


async def _member(connection: Driver, relay: Relay) -> None:
    assert (
        await connection.fetchval("SELECT count(*) FROM relay_member WHERE owner = $1", relay.leases.owner)
        == 1
    )


async def test_what_a_dead_process_consumed_is_not_kept_for_it(connection: Driver) -> None:
    preferred: set[int] = set()
    dead = await _by_hand(connection, Sent(), preferred=preferred)
    preferred.update(range(SHARDS))
    await dead.leases.renew(connection, seconds=0.01)
    relay = Relay("postgresql://not-asked", Sent())

    async def taken_over() -> None:
        await relay.leases.renew(connection)
        assert relay.leases.positions.keys() == set(range(SHARDS))

    await eventually(taken_over)


@pytest.mark.parametrize("told", ["", str(shard_of("a")), f"{(shard_of('a') + 1) % SHARDS} {shard_of('a')}"])
async def test_a_relay_looks_at_once_when_another_process_tells_of_rows_in_its_shards(
    connection: Driver, told: str, project: TestDatabase, publish: Publish, relays: Running
) -> None:
    sent = Sent()
    await publish("a", 1)
    relay = await relays.start(project.url, sent, poll_seconds=3_600)
    await eventually(
        partial(_safe, connection, relay)
    )  # by its first look; from here the next is an hour away
    await publish("a", 2)

    async def heard() -> None:
        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, told)
        await _all(sent, 2)

    await eventually(heard)


async def test_a_relay_does_not_look_for_rows_in_the_shards_of_another() -> None:
    relay = Relay("postgresql://nowhere", Sent())
    relay.leases.advance({2, 5}, RelayPosition("1:1:"))
    relay.wake({0, 1, 7})
    assert not relay._woken.is_set()
    relay.wake({1, 5})
    assert relay._woken.is_set()


async def test_a_relay_that_is_told_of_no_shards_looks_which_are_its_own() -> None:
    relay = Relay("postgresql://nowhere", Sent())
    relay._renew_at = math.inf
    relay.wake([])
    assert relay._woken.is_set()
    assert relay._renew_at == 0


async def test_the_shards_of_a_relay_that_died_are_taken_over_when_its_lease_ends(
    connection: Driver, project: TestDatabase, publish: Publish, relays: Running
) -> None:
    await connection.execute(
        "UPDATE relay_cursor SET owner = gen_random_uuid(), lease_until = now() + interval '1 second'"
    )
    sent = Sent()
    await publish("a", 1)
    relay = await relays.start(project.url, sent)
    await eventually(lambda: _all(sent, 1))
    assert relay.leases.positions.keys() == set(range(SHARDS))


async def test_tables_restored_into_a_younger_cluster_are_sent_again_rather_than_never(
    connection: Driver, project: TestDatabase, publish: Publish, relays: Running
) -> None:
    await connection.execute("UPDATE relay_cursor SET snapshot = '900000000000:900000000000:'")
    await publish("a", 1)
    sent = Sent()
    await relays.start(project.url, sent)
    await eventually(lambda: _all(sent, 1))


async def test_rows_restored_into_a_younger_cluster_are_not_sent_for_ever(
    connection: Driver, project: TestDatabase, publish: Publish, relays: Running
) -> None:
    await publish("a", 1)
    await connection.execute("UPDATE outbox SET xid = '900000000000'")
    await connection.execute("UPDATE relay_cursor SET snapshot = '900000000001:900000000001:'")
    sent = Sent()
    await relays.start(project.url, sent)
    await eventually(lambda: _all(sent, 1))
    for n in range(2, 5):
        await publish("a", n)
        await eventually(partial(_all, sent, n))
    assert sent.numbers() == [f'{{"name":"a","number":{n}}}' for n in range(1, 5)]


async def test_a_relay_that_lost_a_shard_does_not_move_its_cursor(connection: Driver) -> None:
    relay = await _by_hand(connection, Sent())
    assert relay.leases.positions.keys() == set(range(SHARDS))
    await connection.execute(
        "UPDATE relay_cursor SET owner = gen_random_uuid(), lease_until = now() + interval '1 hour' WHERE shard = 3"
    )
    relay.leases.positions |= dict.fromkeys([2, 3], RelayPosition("77:77:"))
    await relay.leases.renew(connection)
    cursors = await _saved(connection)
    assert {shard for shard, cursor in cursors.items() if cursor == RelayPosition("77:77:")} == {2}
    assert relay.leases.positions.keys() == set(range(SHARDS)) - {3}


async def test_a_shard_that_was_rewound_is_read_from_its_beginning_and_not_from_where_its_relay_was(
    connection: Driver, db: Database
) -> None:
    relay = await _by_hand(connection, Sent())
    relay.leases.positions |= dict.fromkeys(range(SHARDS), RelayPosition("77:77:"))
    await relay.leases.renew(connection)
    told: list[object] = []
    await connection.add_listener(CHANNEL, lambda *heard: told.append(heard[-1]))
    await republish_all(db)
    await relay.leases.renew(connection)
    assert relay.leases.positions == dict.fromkeys(range(SHARDS), RelayPosition("3:3:"))
    assert told == [""]  # so that each relay does this at once


async def test_how_far_a_relay_is_it_saves_with_its_leases_and_when_it_leaves(
    connection: Driver, publish: Publish
) -> None:
    sent = Sent()
    relay = await _by_hand(connection, sent, page=10)
    before = await _saved(connection)
    await publish("a", *range(15))
    await relay.relay_once(connection)
    assert len(sent) == 10
    assert await _saved(connection) == before
    await relay.leases.renew(connection)
    assert await _saved(connection) == relay.leases.positions
    while await relay.relay_once(connection):
        pass
    reached = relay.leases.positions
    await relay.leases.release_all(connection)
    assert await _saved(connection) == reached
    other = await _by_hand(connection, sent)
    assert other.leases.positions == reached
    assert not await other.relay_once(connection)
    assert len(sent) == 15


async def test_a_relay_that_ends_leaves_nothing_to_be_sent_again(
    project: TestDatabase, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "SAVE_SECONDS", 3_600)
    sent = Sent()
    await publish("a", 1)
    for _ in range(2):
        async with Running() as short:
            await short.start(project.url, sent, poll_seconds=3_600)
            await eventually(lambda: _all(sent, 1))
    await publish("a", 2)
    async with Running() as short:
        await short.start(project.url, sent, poll_seconds=3_600)
        await eventually(lambda: _all(sent, 2))
    assert sent.numbers() == [f'{{"name":"a","number":{n}}}' for n in (1, 2)]


async def test_a_relay_that_has_sent_something_soon_saves_how_far_it_is(
    connection: Driver, project: TestDatabase, publish: Publish, relays: Running
) -> None:
    sent = Sent()
    relay = await relays.start(project.url, sent, poll_seconds=3_600)
    await publish("a", 1)

    async def told() -> None:
        relay.wake([*range(SHARDS)])
        await _all(sent, 1)

    await eventually(told)
    await eventually(partial(_safe, connection, relay))
