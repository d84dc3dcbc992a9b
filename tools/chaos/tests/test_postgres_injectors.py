"""The faults of PostgreSQL on a real server: each is seen to bite, and nothing of it is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shop_chaos.edge import How
from shop_chaos.injectors import Injector, disk, edges, postgres, processes
from shop_chaos.system import System
from shop_stack import embedded, parts
from shop_stack.stack import POSTGRES
from testkit import eventually

pytestmark = pytest.mark.long

TABLES = """
    CREATE TABLE outbox (id integer);
    CREATE TABLE inbox (id integer);
    GRANT ALL ON outbox, inbox TO orders;
"""


@pytest.fixture
async def on(tmp_path: Path, base: int) -> AsyncIterator[System]:
    """A stack of which only PostgreSQL runs, with one database and two tables."""
    stack = embedded.stack(tmp_path / "shop", base, ("orders",))
    await embedded.start(stack, POSTGRES)
    try:
        await parts.provision_databases(stack)
        async with stack.server.connected("orders") as database:
            await database.execute(TABLES)
        yield System(stack, None)  # type: ignore[arg-type]
    finally:
        await embedded.down(stack, wipe=True)


async def connect(on: System) -> asyncpg.Connection[asyncpg.Record]:
    """A connection as the service has it."""
    role = on.stack.passwords.roles("orders")
    return await asyncpg.connect(on.stack.server.url("orders", role.name, role.password), timeout=10)


async def insert(on: System, table: str) -> None:
    connection = await connect(on)
    try:
        await connection.execute(f"INSERT INTO {table} VALUES (1)")
    finally:
        await connection.close()


async def fill(on: System, table: str) -> None:
    connection = await connect(on)
    try:
        await connection.execute(f"INSERT INTO {table} SELECT generate_series(1, 1000000)")
    finally:
        connection.terminate()


async def is_seen(injector: Injector, on: System, before: Any, **least: int) -> None:
    """Return when each count is at least this large."""

    async def seen() -> None:
        counts = await injector.seen(on, before)
        assert all(counts.get(name.replace("_", " "), 0) >= count for name, count in least.items()), counts

    await eventually(seen, 20)


async def test_a_service_gets_no_connection_until_the_end(on: System) -> None:
    fault = postgres.ConnectionLimit("orders")
    before = await fault.before(on)
    held = await connect(on)
    assert await fault.seen(on, before) == {"connections refused": 0}
    await fault.inject(on)
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await connect(on)
    await is_seen(fault, on, before, connections_refused=1)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await held.execute("SELECT 1")
    await fault.heal(on)
    await fault.heal(on)
    await insert(on, "outbox")


async def test_a_privilege_is_missing_until_the_end(on: System) -> None:
    fault = postgres.RightRevoked("orders", "inbox")
    before = await fault.before(on)
    await fault.inject(on)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await insert(on, "inbox")
    await is_seen(fault, on, before, statements_refused=1)
    await fault.heal(on)
    await insert(on, "inbox")


async def test_statements_are_slow_and_counted_until_the_end(on: System) -> None:
    fault = postgres.SlowStatements("orders", seconds=0.01)
    assert await fault.seen(on, {}) == {}
    await fault.inject(on)
    assert await fault.seen(on, {}) == {"statements slowed down": 0}
    await insert(on, "outbox")
    await insert(on, "inbox")
    assert await fault.seen(on, {}) == {"statements slowed down": 1}
    await fault.heal(on)
    await fault.heal(on)
    await insert(on, "outbox")
    assert await fault.seen(on, {}) == {}


async def test_a_transaction_stays_open_until_the_end(on: System) -> None:
    fault = postgres.LongTransaction("orders")
    await fault.inject(on)
    await is_seen(fault, on, {}, seconds_open=1)
    await fault.heal(on)

    async def is_over() -> None:
        assert await fault.seen(on, {}) == {"seconds open": 0}

    await eventually(is_over, 10)


async def test_the_peers_of_a_service_fall_silent_and_answer_again(on: System) -> None:
    fault = postgres.SilentPeer("orders")
    held = await connect(on)
    try:
        before = await fault.before(on)
        await fault.inject(on)
        await is_seen(fault, on, before, backends_frozen=1)
        with pytest.raises(TimeoutError):
            await held.execute("SELECT 1", timeout=0.2)
        other = await connect(on)
        await is_seen(fault, on, before, new_connections=1)
        await other.close()
        await fault.heal(on)

        async def answers() -> None:
            assert (await fault.seen(on, before))["backends frozen"] == 0

        await eventually(answers, 10)
    finally:
        held.terminate()


async def test_a_frozen_and_a_slow_server_answer_again(on: System) -> None:
    frozen, slow = processes.Freeze(POSTGRES), processes.Slow(POSTGRES, 0.5)
    before = await frozen.before(on)
    assert (await frozen.seen(on, before))["processes frozen"] == 0
    await frozen.inject(on)
    assert (await frozen.seen(on, before))["processes frozen"] > 1
    await frozen.heal(on)
    await insert(on, "outbox")
    await slow.inject(on)
    await is_seen(slow, on, {}, suspensions=3)
    await slow.heal(on)
    await slow.heal(on)
    await insert(on, "outbox")


async def test_a_killed_and_a_stopped_server_start_again(on: System) -> None:
    for fault in (processes.Kill(POSTGRES), processes.Stop(POSTGRES)):
        before = await fault.before(on)
        assert await fault.seen(on, before) == {"processes ended": 0}
        await fault.inject(on)
        assert await fault.seen(on, before) == {"processes ended": 1}
        with pytest.raises((ConnectionError, FileNotFoundError)):
            await asyncio.wait_for(connect(on), 10)
        await fault.heal(on)
        await fault.heal(on)
        await insert(on, "outbox")


async def test_a_server_that_flaps_is_counted(on: System) -> None:
    fault = processes.Flap(POSTGRES, times=2, pause=0.0)
    before = await fault.before(on)
    await fault.inject(on)
    assert await fault.seen(on, before) == {"processes ended": 2}
    await fault.heal(on)
    await insert(on, "outbox")


async def test_the_edge_to_the_server_is_disturbed_until_the_end(on: System) -> None:
    fault = edges.EdgeDisturbed(POSTGRES, seconds=1.0)
    await insert(on, "outbox")
    await fault.before(on)
    await fault.inject(on)

    async def all_are_seen() -> None:
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await insert(on, "outbox")
        assert await fault.seen(on, {}) == dict.fromkeys(How, 1)

    await eventually(all_are_seen, 30)
    await fault.heal(on)
    await fault.heal(on)
    await insert(on, "outbox")


@pytest.mark.skipif(not disk.may_mount(), reason="only a user who may mount can make a small volume")
async def test_a_full_disk_refuses_statements_until_the_end(on: System) -> None:
    fault = disk.DiskFull()
    before = await fault.before(on)
    await insert(on, "inbox")
    try:
        await fault.inject(on)
        with pytest.raises(asyncpg.PostgresError):
            await fill(on, "outbox")
        await is_seen(fault, on, before, statements_refused=1)
    finally:
        await fault.heal(on)
    await fault.heal(on)
    await insert(on, "outbox")
    async with on.stack.server.connected("orders") as database:
        assert await database.fetchval("SELECT count(*) FROM inbox") == 1
