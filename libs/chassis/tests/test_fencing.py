"""A relay that has lost its lease sends nothing more."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from chassis.events import Cause
from chassis.outbox import SHARDS, Database, OutboxRow, Relay, lease_keeper, rows
from chassis.outbox.leases import LEASE_SECONDS, LeaseLost
from chassis.outbox.relay import SESSION
from chassis.postgres import Driver
from chassis.tuning import planner
from testkit import eventually
from testkit.databases import TestDatabase


class Slow(list[OutboxRow]):
    """A transport. While `is_stuck`, it takes no row."""

    def __init__(self) -> None:
        super().__init__()
        self.is_stuck = False
        self.is_asked = asyncio.Event()
        self.was_cancelled = False

    async def __call__(self, page: Sequence[OutboxRow]) -> None:
        self.is_asked.set()
        try:
            if self.is_stuck:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        self.extend(page)


@pytest.fixture
async def connections(project: TestDatabase) -> AsyncIterator[Sequence[Driver]]:
    """Two connections to one database."""
    settings = planner.RELAY_SETTINGS | SESSION
    opened = [await asyncpg.connect(project.url, server_settings=settings) for _ in range(2)]
    yield opened
    for connection in opened:
        await connection.close()


async def _write(db: Database, *data: str) -> None:
    async with db.transaction() as tx:
        for each in data:
            tx.rows.append(rows.new_row("t", "a", "x.y.v1", Cause(None, "a", None), each))


async def _taken_over(connection: Driver, other: Relay) -> None:
    """The time of all leases has passed, and `other` takes them."""
    await connection.execute("UPDATE relay_cursor SET lease_until = now() - interval '1 second'")
    await connection.execute("UPDATE relay_member SET seen_until = now() - interval '1 second'")
    await other.leases.renew(connection)
    assert other.leases.positions.keys() == set(range(SHARDS))


async def _with_a_page_on_its_way(
    connection: Driver, db: Database, transport: Slow
) -> tuple[Relay, asyncio.Task[object]]:
    """A relay that has the leases, and its page, which the transport does not take."""
    transport.is_stuck = True
    relay = Relay("postgresql://not-asked", transport)
    await relay.leases.renew(connection)
    await _write(db, "1")
    sending = asyncio.create_task(relay.relay_once(connection))
    await transport.is_asked.wait()
    return relay, sending


async def test_a_relay_that_was_frozen_while_another_took_over_sends_nothing_when_it_goes_on(
    connections: Sequence[Driver], db: Database
) -> None:
    mine, its = connections
    frozen, other = Slow(), Slow()
    relay, successor = Relay("postgresql://not-asked", frozen), Relay("postgresql://not-asked", other)
    await relay.leases.renew(mine)
    await _write(db, "1")
    await _taken_over(its, successor)
    await successor.relay_once(its)
    relay.leases.fence.until = time.monotonic() - 1  # what its clock says after it was frozen
    with pytest.raises(LeaseLost):
        await relay.relay_once(mine)
    assert [row.data for row in other] == ["1"]
    assert frozen == []
    assert not frozen.is_asked.is_set()


async def test_a_relay_whose_lease_is_over_but_not_taken_renews_it_and_goes_on(
    connections: Sequence[Driver], db: Database
) -> None:
    relay, _ = await _sends_with_seconds_left(-1.0, connections[0], db)
    assert relay.leases.fence.is_open()


async def test_a_page_that_begins_shortly_before_the_end_of_the_lease_is_not_cut_off(
    connections: Sequence[Driver], db: Database
) -> None:
    relay, almost_over = await _sends_with_seconds_left(lease_keeper.EXTEND_SECONDS, connections[0], db)
    assert relay.leases.fence.until > almost_over


async def _sends_with_seconds_left(seconds: float, connection: Driver, db: Database) -> tuple[Relay, float]:
    """A relay that has sent a page, and when its fence would have closed: so many seconds after the page began."""
    sent = Slow()
    relay = Relay("postgresql://not-asked", sent)
    await relay.leases.renew(connection)
    await _write(db, "1")
    relay.leases.fence.until = until = time.monotonic() + seconds
    await relay.relay_once(connection)
    assert [row.data for row in sent] == ["1"]
    return relay, until


async def test_a_page_on_its_way_is_cut_off_when_another_relay_has_the_shards(
    connections: Sequence[Driver], db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_keeper, "EXTEND_SECONDS", 0.05)
    mine, its = connections
    stuck = Slow()
    relay, sending = await _with_a_page_on_its_way(mine, db, stuck)
    await its.execute("UPDATE relay_cursor SET owner = gen_random_uuid()")
    with pytest.raises(LeaseLost):
        await sending
    assert not relay.leases.fence.is_open()

    async def was_cancelled() -> None:
        assert stuck.was_cancelled

    await eventually(was_cancelled)
    assert stuck == []


async def test_the_leases_are_renewed_while_a_page_is_on_its_way(
    connections: Sequence[Driver], db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_keeper, "EXTEND_SECONDS", 0.05)
    mine, its = connections
    stuck = Slow()
    relay, sending = await _with_a_page_on_its_way(mine, db, stuck)
    before = relay.leases.fence.until
    await its.execute("UPDATE relay_cursor SET lease_until = now() - interval '1 second'")

    async with asyncio.timeout(10):
        while relay.leases.fence.until <= before + 0.05:
            await asyncio.wait([sending], timeout=0.05)
    assert await its.fetchval("SELECT count(*) FROM relay_cursor WHERE lease_until > now()") == SHARDS
    sending.cancel()
    await asyncio.wait([sending])


async def test_the_fence_closes_before_the_lease_ends_and_opens_with_a_renewal(
    connections: Sequence[Driver],
) -> None:
    relay = Relay("postgresql://not-asked", Slow())
    fence = relay.leases.fence
    assert not fence.is_open()
    await relay.leases.renew(connections[0])
    assert 0 < fence.seconds_left() < LEASE_SECONDS
    await relay.leases.release_all(connections[0])
    assert not fence.is_open()
    relay.leases.forget()
    assert fence.seconds_left() == 0
