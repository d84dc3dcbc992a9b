"""PostgreSQL starts again after each kind of crash, and never asks for its data to be deleted."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from shop_stack import embedded, postgres_release
from shop_stack.errors import UserError
from shop_stack.stack import Stack
from testkit import eventually

pytestmark = pytest.mark.long

STARTS_AND_STAYS = """
import asyncio, sys, time
from pathlib import Path
from shop_stack import embedded
asyncio.run(embedded.start(embedded.stack(Path(sys.argv[1]), int(sys.argv[2]), services=()), "postgres"))
print("started", flush=True)
time.sleep(600)
"""
"""A parent that never asks how its children ended, as the first process of a small container does not."""


@pytest.fixture
async def stack(tmp_path: Path, base: int) -> AsyncIterator[Stack]:
    """A stack without services; nothing of it runs yet."""
    stack = embedded.stack(tmp_path / "state", base, services=())
    yield stack
    await embedded.down(stack, wipe=True)


async def keep_something(stack: Stack) -> None:
    async with stack.server.connected() as connection:
        await connection.execute("CREATE TABLE kept (number int)")


async def assert_it_is_kept(stack: Stack) -> None:
    async with stack.server.connected() as connection:
        assert await connection.fetchval("SELECT count(*) FROM kept") == 0


async def test_a_killed_server_that_stays_a_zombie_does_not_keep_the_next_one_out(stack: Stack) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        STARTS_AND_STAYS,
        str(stack.state),
        str(stack.ports.base),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert parent.stdout is not None
        assert await parent.stdout.readline() == b"started\n"
        await keep_something(stack)
        pid = stack.daemon("postgres").pid
        assert pid is not None
        await embedded.kill(stack, "postgres")
        assert psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

        await embedded.start(stack, "postgres")
        await assert_it_is_kept(stack)
    finally:
        parent.kill()
        await parent.wait()


async def test_a_new_server_waits_until_the_last_process_of_the_killed_one_has_ended(stack: Stack) -> None:
    await embedded.start(stack, "postgres")
    await keep_something(stack)
    pid = stack.daemon("postgres").pid
    assert pid is not None
    idle = await asyncpg.connect(stack.server.url("postgres", "postgres", stack.server.password))
    backend = await idle.fetchval("SELECT pg_backend_pid()")
    os.kill(backend, signal.SIGSTOP)
    # As a crash does it, and not our own `kill`: the server alone is gone.
    os.kill(pid, signal.SIGKILL)

    async def is_gone() -> None:
        assert stack.daemon("postgres").process() is None

    await eventually(is_gone)
    start = asyncio.ensure_future(embedded.start(stack, "postgres"))
    done, _ = await asyncio.wait({start}, timeout=1)
    assert not done
    os.kill(backend, signal.SIGCONT)
    await start
    await assert_it_is_kept(stack)
    idle.terminate()


async def test_a_process_that_does_not_end_is_named_and_no_data_is_asked_for(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    await embedded.start(stack, "postgres")
    monkeypatch.setattr(postgres_release.released, "__defaults__", (0.1,))
    pid = stack.daemon("postgres").pid
    with pytest.raises(UserError, match=f"still uses .*{pid}.*end it with `kill`, then try again"):
        await postgres_release.released(stack.state / "postgres")


async def test_killing_a_part_waits_for_the_processes_that_it_had_started(stack: Stack) -> None:
    await embedded.start(stack, "postgres")
    running = stack.daemon("postgres").process()
    assert running is not None
    family = running.children(recursive=True)
    assert family
    await embedded.kill(stack, "postgres")
    assert [member.pid for member in family if member.is_running() and member.status() != "zombie"] == []
