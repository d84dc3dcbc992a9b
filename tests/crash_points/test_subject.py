"""A process under test starts from its nursery, is struck, and is always ended."""

import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from shop_stack import parts, paths
from shop_stack.errors import UserError
from shop_stack.process import Daemon
from testkit import eventually
from tests.crash_points import subject as module
from tests.crash_points.discovery import discover
from tests.crash_points.injection import CANCEL, FREEZE, KILL
from tests.crash_points.subject import Subject, Trial

PLANTED = """
import asyncio

async def work():
    while True:
        await asyncio.sleep(0.01)

async def stop():
    await asyncio.sleep(0)

async def never():
    await asyncio.sleep(0)
"""
MAIN = """
import asyncio
import signal
from chassis.outbox.planted import stop, work

async def serve():
    ends = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ends.set)
    working = asyncio.create_task(work())
    await ends.wait()
    working.cancel()
    await stop()

if __name__ == "__main__":
    asyncio.run(serve())
"""
WORK, STOP, NEVER = (f"chassis.outbox.planted:{function}:1" for function in ("work", "stop", "never"))
SERVICE = "planted"


@dataclass
class OneProcess:
    """What a Subject needs of a stack: it runs one planted program."""

    state: Path
    handover_socket: str = "run/handover"

    def daemon(self, name: str) -> Daemon:
        return Daemon(name, self.state)

    def deployment(self, service: str) -> Any:
        return self

    @property
    def now(self) -> Any:
        return self

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", f"{SERVICE}.main"]


@pytest_asyncio.fixture
async def subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Subject]:
    for file, text in {
        "chassis/__init__.py": "",
        "chassis/outbox/__init__.py": "",
        "chassis/outbox/planted.py": PLANTED,
        f"{SERVICE}/__init__.py": "",
        f"{SERVICE}/main.py": MAIN,
    }.items():
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    (tmp_path / "tests").symlink_to(paths.repository() / "tests")
    monkeypatch.setattr(paths, "repository", lambda: tmp_path)

    async def works() -> None:
        assert WORK in (tmp_path / "logs" / f"{SERVICE}-points.txt").read_text()

    async def ready(*_: object) -> None:
        """The planted program is ready when it works."""
        await eventually(works, 30)

    monkeypatch.setattr(parts, "service_environment", lambda *_: dict(os.environ))
    monkeypatch.setattr(parts, "ready", ready)
    monkeypatch.setattr(module, "REACH_SECONDS", 1.0)
    stack: Any = OneProcess(tmp_path)
    found = Subject(stack, SERVICE, freeze_seconds=0.1)
    async with found.with_nursery():
        yield found
    assert found.stack.daemon(SERVICE).process() is None


@pytest.mark.parametrize(
    ("trial", "struck"),
    [
        (Trial(SERVICE, KILL, WORK, 3), True),
        (Trial(SERVICE, CANCEL, WORK, 2), True),
        (Trial(SERVICE, FREEZE, WORK), True),
        (Trial(SERVICE, KILL, STOP, at_stop=True), True),
        (Trial(SERVICE, FREEZE, STOP, at_stop=True), True),
        (Trial(SERVICE, KILL, NEVER), False),
        (Trial(SERVICE, KILL, NEVER, at_stop=True), False),
    ],
)
async def test_a_strike_is_seen_if_the_process_reaches_the_point(
    subject: Subject, trial: Trial, struck: bool
) -> None:
    assert await subject.undergo(trial) is struck
    assert subject.stack.daemon(SERVICE).process() is None
    assert await subject.undergo(Trial(SERVICE, KILL, WORK))  # what is left of the first trial is no strike


async def test_points_of_the_stop_are_told_from_those_under_load(subject: Subject) -> None:
    reached = await discover(subject, lives=2, seconds=0.5)
    assert (set(reached.under_load), set(reached.only_at_stop)) == ({WORK}, {STOP})


async def test_a_kill_after_which_the_process_runs_is_no_result(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "END_SECONDS", 0.1)

    def runs(self: Subject) -> bool:
        return self.stack.daemon(SERVICE).process() is not None

    monkeypatch.setattr(Subject, "is_struck", property(runs))
    with pytest.raises(UserError, match="was killed, and runs"):
        await subject.undergo(Trial(SERVICE, KILL, NEVER))


async def test_a_nursery_that_cannot_import_its_service_ends_with_the_reason(subject: Subject) -> None:
    other = Subject(subject.stack, "missing", 0.1)
    with pytest.raises(UserError, match="The nursery of missing ended: .*No module named 'missing'"):
        async with other.with_nursery():
            pass
