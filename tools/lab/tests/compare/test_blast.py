"""A fault breaks the handlers of one service from outside."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from shop_lab.compare.blast import CHILD, until_struck
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
