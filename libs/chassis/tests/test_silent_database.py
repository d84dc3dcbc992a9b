"""A database that does not answer: calls end by their deadlines, and new connections take the place of silent ones."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import text

import chassis.postgres.pool
from chassis.errors import DatabaseSilent, DatabaseUnavailable, dependency_of, is_unavailable
from chassis.outbox import Database, Relay
from chassis.supervisor import supervise
from libs.chassis.tests.silent_peers import SilentProxy, silent_proxy, silent_server, with_short_deadlines
from testkit import eventually
from testkit.databases import TestDatabase

SIZE = 4


@pytest.fixture
async def through_proxy(
    project: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[SilentProxy, Database]]:
    """A database with SIZE connections, each through a proxy that can go silent."""
    with_short_deadlines(monkeypatch)
    async with silent_proxy(project.url) as (proxy, url):
        database = Database(url, SIZE, statement_seconds=1.5)
        yield proxy, database
        await database.close()


async def one(database: Database) -> int:
    async with database.reading() as connection:
        return int(await connection.value(text("SELECT 1")))


async def fill(database: Database) -> None:
    """Open all connections of the pool."""
    together = asyncio.Barrier(SIZE)

    async def hold() -> None:
        async with database.reading() as connection:
            await connection.value(text("SELECT 1"))
            await together.wait()

    await asyncio.gather(*(hold() for _ in range(SIZE)))


async def test_after_one_deadline_all_idle_connections_are_replaced(
    through_proxy: tuple[SilentProxy, Database],
) -> None:
    proxy, database = through_proxy
    await fill(database)
    assert proxy.opened == SIZE
    proxy.silence()
    with pytest.raises(DatabaseSilent):
        await one(database)
    assert await asyncio.gather(*(one(database) for _ in range(SIZE))) == [1] * SIZE


async def test_a_transaction_that_gets_no_answer_ends_with_an_error_that_asks_for_another_try(
    through_proxy: tuple[SilentProxy, Database],
) -> None:
    proxy, database = through_proxy

    async def silenced_before_its_commit() -> None:
        async with database.transaction() as tx:
            await tx.connection.execute(text("SELECT 1"))
            proxy.silence()

    with pytest.raises(DatabaseSilent) as raised:
        await silenced_before_its_commit()
    assert is_unavailable(raised.value)
    assert dependency_of(raised.value) == "database"
    async with database.transaction() as tx:
        assert await tx.connection.value(text("SELECT 1")) == 1


async def test_a_call_that_was_cancelled_leaves_no_silent_connection_behind(
    through_proxy: tuple[SilentProxy, Database],
) -> None:
    proxy, database = through_proxy
    assert await one(database) == 1
    proxy.silence()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await one(database)
    assert await one(database) == 1


async def test_a_check_of_a_silent_database_ends_in_time_and_the_next_one_succeeds(
    through_proxy: tuple[SilentProxy, Database],
) -> None:
    proxy, database = through_proxy
    await fill(database)
    proxy.silence()
    with pytest.raises(DatabaseUnavailable):
        await database.check(0.1)
    await database.check(2)


async def test_a_database_whose_connections_are_all_in_use_is_there_until_nothing_has_moved_for_long(
    through_proxy: tuple[SilentProxy, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, database = through_proxy
    await fill(database)
    together = asyncio.Barrier(SIZE + 1)
    ended = asyncio.Event()

    async def hold() -> None:
        async with database.reading():
            await together.wait()
            await ended.wait()

    holding = asyncio.gather(*(hold() for _ in range(SIZE)))
    await together.wait()
    await database.check(0.1)
    monkeypatch.setattr(chassis.postgres.pool, "BUSY_SECONDS", 0.0)
    with pytest.raises(DatabaseUnavailable):
        await database.check(0.1)
    ended.set()
    await holding


async def test_closing_does_not_wait_for_silent_connections(
    through_proxy: tuple[SilentProxy, Database],
) -> None:
    proxy, database = through_proxy
    await fill(database)
    proxy.silence()
    async with asyncio.timeout(5):
        await database.close()


async def test_a_server_that_accepts_and_says_nothing_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with_short_deadlines(monkeypatch)
    async with silent_server() as port:
        database = Database(f"postgresql://things:x@127.0.0.1:{port}/things")
        with pytest.raises(DatabaseUnavailable):
            await one(database)
        await database.close()


async def test_the_server_ends_a_statement_that_takes_too_long_and_the_connection_stays(db: Database) -> None:
    async with db.reading() as connection:
        await connection.execute(text("SET statement_timeout = '20ms'"))
        with pytest.raises(asyncpg.QueryCanceledError) as raised:
            await connection.execute(text("SELECT pg_sleep(20)"))
        assert is_unavailable(raised.value)
        assert await connection.value(text("SELECT 1")) == 1


async def test_each_session_limits_statements_and_idle_transactions_and_notices_lost_clients(
    project: TestDatabase,
) -> None:
    database = Database(project.url, statement_seconds=7)
    async with database.reading() as connection:
        names = (
            "statement_timeout",
            "idle_in_transaction_session_timeout",
            "client_connection_check_interval",
            "tcp_keepalives_idle",
            "tcp_user_timeout",
        )
        shown = {name: await connection.value(text(f"SHOW {name}")) for name in names}
    await database.close()
    assert shown == {
        "statement_timeout": "7s",
        "idle_in_transaction_session_timeout": "30s",
        "client_connection_check_interval": "1s",
        "tcp_keepalives_idle": "10",
        "tcp_user_timeout": "25000",
    }


async def test_a_statement_whose_client_is_gone_holds_its_locks_no_longer(db: Database) -> None:
    async def cut_off() -> None:
        async with db.transaction() as tx:
            await tx.connection.execute(text("LOCK TABLE effects"))
            locked.set()
            await tx.connection.execute(text("SELECT pg_sleep(60)"))

    locked = asyncio.Event()
    task = asyncio.create_task(cut_off())
    await locked.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(10), db.transaction() as tx:
        await tx.connection.execute(text("LOCK TABLE effects"))


async def test_a_relay_whose_connection_goes_silent_relays_again_over_a_new_one(
    project: TestDatabase, db: Database, thing_counted: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(thing_counted)
    with_short_deadlines(monkeypatch)
    monkeypatch.setattr("chassis.outbox.relay.STATEMENT_SECONDS", 1.5)
    sent: list[str] = []

    async def send(rows: object) -> None:
        assert isinstance(rows, list)
        sent.extend(row.key for row in rows)

    async def has_sent(key: str) -> None:
        assert key in sent

    async def count(name: str) -> None:
        async with db.transaction() as tx:
            tx.publish(thing_counted(name, 1), cause=tx.root_cause(name))

    async with silent_proxy(project.url) as (proxy, url):
        relay = Relay(url, send, poll_seconds=0.1)
        task = asyncio.create_task(supervise("relay", relay.run))
        await count("before")
        await eventually(lambda: has_sent("before"))
        proxy.silence()
        await count("after")
        await eventually(lambda: has_sent("after"), deadline=30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
