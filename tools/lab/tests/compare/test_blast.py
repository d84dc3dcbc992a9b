"""A fault breaks the handlers of one service from outside."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from shop_lab.compare import blast
from shop_lab.compare.blast import CHILD, until_struck
from shop_lab.compare.child import sitecustomize
from shop_lab.compare.figures import FAULTS
from shop_stack import embedded
from shop_stack.errors import UserError
from testkit import eventually

CALL = """
import asyncio, importlib
found = importlib.import_module("{service}.subscriptions").SUBSCRIPTIONS.by_type
try:
    asyncio.run(next(iter(found.values())).handler(None, []))
except Exception as error:
    print(type(error).__name__)
"""

AGAIN_AND_AGAIN = """
import asyncio, importlib, contextlib
found = importlib.import_module("{service}.subscriptions").SUBSCRIPTIONS.by_type
for _ in range(100):
    with contextlib.suppress(Exception):
        asyncio.run(next(iter(found.values())).handler(None, [None]))
"""


def environment(struck: Path, fault: str) -> Mapping[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(CHILD),
        "COMPARE_FAULT": fault,
        "COMPARE_STRUCK": str(struck),
    }


def called(service: str, struck: Path, fault: str) -> subprocess.CompletedProcess[str]:
    """Call a handler of a service in a process that was started with a fault."""
    argv = [sys.executable, "-c", CALL.format(service=service)]
    return subprocess.run(argv, env=environment(struck, fault), capture_output=True, text=True, check=False)


def test_each_handler_of_the_broken_service_raises(tmp_path: Path) -> None:
    struck = tmp_path / "struck"
    assert called("payments", struck, "payments raises").stdout == "Fault\n"
    assert struck.read_bytes() == b"."


def test_the_handlers_of_another_service_stay_as_they_are(tmp_path: Path) -> None:
    struck = tmp_path / "struck"
    assert "Fault" not in called("notifications", struck, "payments raises").stdout
    assert not struck.exists()


def test_a_leaking_handler_ends_its_process_at_a_limit(tmp_path: Path) -> None:
    struck = tmp_path / "struck"
    argv = [sys.executable, "-c", AGAIN_AND_AGAIN.format(service="notifications")]
    ended = subprocess.run(argv, env=environment(struck, "notifications leaks"), check=False)
    assert ended.returncode == -signal.SIGKILL
    assert struck.read_bytes() == b"." * (sitecustomize.LIMIT // sitecustomize.LEAK)


async def test_a_slow_query_comes_before_the_work_of_the_handler(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done: list[str] = []

    class Connection:
        async def execute(self, statement: Any) -> None:
            done.append(str(statement))

    async def handler(tx: Any, events: Any) -> None:
        done.append(f"{len(events)} events")

    monkeypatch.setenv(sitecustomize.STRUCK, str(tmp_path / "struck"))
    await sitecustomize.queries(handler)(SimpleNamespace(connection=Connection()), [1, 2])
    assert done == [sitecustomize.SLOW_QUERY, "2 events"]


def test_each_fault_of_the_table_can_be_made() -> None:
    assert set(sitecustomize.BROKEN) == set(FAULTS)
    assert set(FAULTS) > blast.ENDING


async def test_a_process_that_ends_is_started_again_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = False
    starts: list[str] = []

    class Daemon:
        def process(self) -> object:
            return object() if runs else None

    async def start(_: Any, unit: str) -> None:
        nonlocal runs
        starts.append(unit)
        if len(starts) == 1:
            raise UserError("It ended before it was ready.")
        runs = True

    monkeypatch.setattr(embedded, "start", start)
    monkeypatch.setattr(blast, "KEEPING_SECONDS", 0.0)
    stack: Any = SimpleNamespace(daemon=lambda _: Daemon())

    async def runs_again() -> None:
        assert runs

    async with blast.kept_running(stack, "monolith") as ends:
        await eventually(runs_again, 10)
    assert starts == ["monolith", "monolith"]
    assert len(ends) == 2


async def test_a_handler_that_loops_never_returns(tmp_path: Path) -> None:
    struck = tmp_path / "struck"
    program = CALL.format(service="notifications")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=environment(struck, "notifications loops")
    )

    async def is_struck() -> None:
        assert struck.exists()

    async def works_on() -> None:
        assert psutil.Process(process.pid).cpu_times().user > spent + 0.5

    try:
        await eventually(is_struck, 60)
        spent = psutil.Process(process.pid).cpu_times().user
        await eventually(works_on, 60)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("fault", ["payments explodes", "payments"])
def test_a_process_with_an_unknown_fault_does_not_run_without_it(tmp_path: Path, fault: str) -> None:
    assert called("payments", tmp_path / "struck", fault).returncode == 70


async def test_a_fault_that_does_not_strike_fails_the_run(tmp_path: Path) -> None:
    struck = tmp_path / "struck"
    with pytest.raises(UserError, match="The fault of payments had no effect: no handler was called for 0 s"):
        await until_struck(struck, "payments", seconds=0.0)
    struck.write_bytes(b".")
    await until_struck(struck, "payments", seconds=0.0)
