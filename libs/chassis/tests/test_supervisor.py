"""The supervisor: a task that fails is started again, until it is done."""

import asyncio

import pytest
import structlog
from structlog.testing import capture_logs

from chassis import supervisor
from chassis.backoff import Backoff
from chassis.errors import Unavailable
from chassis.supervisor import supervise


class Failing:
    """A task that fails with each of `errors`, one per run, and then is done."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.runs = 0

    async def run(self) -> None:
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)

    def is_done(self) -> bool:
        return not self.errors and self.runs > 0


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> None:
    # A logger keeps the processors of its first use, so that `capture_logs` would see nothing in a whole run.
    monkeypatch.setattr(supervisor, "log", structlog.get_logger())


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """After how many failures in a row each pause was; the pauses take no time."""
    seen: list[int] = []

    def pause(_: Backoff, failures: int) -> float:
        seen.append(failures)
        return 0.0

    monkeypatch.setattr(Backoff, "pause", pause)
    return seen


@pytest.mark.parametrize(
    ("error", "event"), [(Unavailable("away"), "task.restarting"), (ValueError("a fault"), "task.failed")]
)
async def test_a_task_that_fails_is_started_again_and_its_error_is_logged(
    pauses: list[int], error: Exception, event: str
) -> None:
    task = Failing(error, error)
    with capture_logs() as logs:
        await supervise("things", task.run, task.is_done)
    assert pauses == [1, 2]
    assert task.runs == 2
    assert [(entry["event"], entry["task"]) for entry in logs] == [(event, "things")] * 2


async def test_after_a_long_run_the_pauses_are_short_again(
    pauses: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STABLE_SECONDS", -1.0)
    task = Failing(Unavailable("away"), Unavailable("away"))
    await supervise("things", task.run, task.is_done)
    assert pauses == [1, 1]


async def test_a_cancelled_task_is_not_started_again() -> None:
    started = asyncio.Event()
    runs = 0

    async def wait() -> None:
        nonlocal runs
        runs += 1
        started.set()
        await asyncio.Event().wait()

    supervised = asyncio.create_task(supervise("things", wait, lambda: runs > 0))
    await started.wait()
    supervised.cancel()
    await asyncio.wait([supervised])
    assert supervised.cancelled()
    assert runs == 1
