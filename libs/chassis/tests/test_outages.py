"""An outage has one line in the log at its beginning, one a minute, and one at its end."""

import asyncio
import logging

import asyncpg
import pytest
import structlog
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from chassis import supervisor
from chassis.backoff import Backoff
from chassis.errors import (
    DATABASE,
    KAFKA,
    UNKNOWN,
    DatabaseUnavailable,
    KafkaRefused,
    KafkaUnavailable,
    Unavailable,
    dependency_of,
)
from chassis.observability import outages as outages_module
from chassis.observability.client_messages import RateLimitedLogHandler
from chassis.observability.outages import Outages
from chassis.observability.status import TaskStatus
from testkit import eventually

AWAY = KafkaUnavailable("no broker")
REFUSED = "chassis_refusals_total"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Kept(logging.Handler):
    """Keeps the lines that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture(autouse=True)
def logs(monkeypatch: pytest.MonkeyPatch) -> None:
    # A logger keeps the processors of its first use, so that `capture_logs` would see nothing in a whole run.
    monkeypatch.setattr(outages_module, "log", structlog.get_logger())


def complain(handler: logging.Handler, number: int, name: str = "aiokafka.client") -> None:
    for node in range(number):
        record = logging.LogRecord(name, logging.ERROR, "", 0, "Unable to reach node %s", (node,), None)
        handler.handle(record)


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (KafkaRefused("u lacks a right"), 1.0),
        (asyncpg.InvalidPasswordError(), 1.0),
        (asyncpg.InvalidAuthorizationSpecificationError(), 1.0),
        (asyncpg.InsufficientPrivilegeError(), 1.0),
        (AWAY, 0.0),
        (DatabaseUnavailable("away"), 0.0),
        (asyncpg.UndefinedTableError(), 0.0),
        (asyncpg.UniqueViolationError(), 0.0),
    ],
)
def test_a_refused_password_or_right_is_counted_and_an_absence_is_not(
    error: Exception, counts: float
) -> None:
    labels = {"dependency": dependency_of(error)}
    before = REGISTRY.get_sample_value(REFUSED, labels) or 0.0
    Outages(Clock()).failed(dependency_of(error), "consumer", error)
    assert (REGISTRY.get_sample_value(REFUSED, labels) or 0.0) - before == counts


def test_an_outage_of_ten_minutes_has_twelve_lines_whatever_number_of_tasks_it_stops() -> None:
    clock = Clock()
    outages = Outages(clock)
    with capture_logs() as lines:
        for second in range(601):
            clock.now = second
            for task in ("relay", "consumer", "offsets"):
                outages.failed(KAFKA, task, AWAY)
        clock.now = 620
        outages.answered(KAFKA)
        outages.answered(KAFKA)
    assert [line["event"] for line in lines] == ["outage.began", *["outage.goes_on"] * 10, "outage.ended"]
    assert lines[-1]["dependency"] == KAFKA
    assert lines[-1]["seconds"] == 600
    assert lines[-1]["failures"] == 1803
    assert lines[-1]["tasks"] == ["consumer", "offsets", "relay"]


def test_an_outage_does_not_end_with_an_answer_among_failures() -> None:
    clock = Clock()
    outages = Outages(clock)
    with capture_logs() as lines:
        for second in range(0, 30, 5):
            clock.now = second
            outages.failed(DATABASE, "requests", DatabaseUnavailable("no connection is free"))
            outages.answered(DATABASE)
    assert [line["event"] for line in lines] == ["outage.began"]
    assert outages.is_away(DATABASE)


def test_each_dependency_has_an_outage_of_its_own() -> None:
    outages = Outages(Clock())
    with capture_logs() as lines:
        outages.failed(DATABASE, "relay", DatabaseUnavailable(""))
        outages.failed(KAFKA, "relay", AWAY)
    assert [line["dependency"] for line in lines] == [DATABASE, KAFKA]


def test_a_failure_of_no_known_dependency_has_its_line_each_time() -> None:
    outages = Outages(Clock())
    with capture_logs() as lines:
        outages.failed(UNKNOWN, "consumer", Unavailable("the key was released just now"))
        outages.failed(UNKNOWN, "consumer", Unavailable("the key was released just now"))
    assert [line["event"] for line in lines] == ["task.tries_again"] * 2
    assert not outages.is_away(UNKNOWN)


def test_messages_of_a_client_library_are_dropped_while_its_dependency_is_away() -> None:
    kept = Kept()
    outages = Outages()
    handler = RateLimitedLogHandler(kept, 0, outages)
    with capture_logs():
        outages.failed(KAFKA, "relay", AWAY)
    complain(handler, 2_400)
    assert kept.lines == []
    complain(handler, 2, "somebody.else")
    assert kept.lines == ["Unable to reach node 0", "Unable to reach node 1"]


async def test_messages_that_come_before_the_outage_is_noticed_are_dropped_with_it() -> None:
    kept = Kept()
    outages = Outages()
    handler = RateLimitedLogHandler(kept, 0.1, outages)
    complain(handler, 100)
    with capture_logs():
        outages.failed(KAFKA, "relay", AWAY)
    complain(handler, 1, "asyncpg")

    async def came() -> None:
        assert kept.lines == ["Unable to reach node 0"]

    await eventually(came)


async def test_messages_without_an_outage_are_written_once_with_their_number() -> None:
    kept = Kept()
    handler = RateLimitedLogHandler(kept, 0.05, Outages())
    complain(handler, 100)

    async def came() -> None:
        assert kept.lines == ["Unable to reach node 99 (100 messages like this one)"]

    await eventually(came)
    complain(handler, 100)
    assert len(kept.lines) == 1


async def test_a_task_that_waits_shows_for_what_and_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RESTARTS", Backoff(first=0.01, longest=0.01))
    status = TaskStatus()

    async def away() -> None:
        raise AWAY

    task = asyncio.create_task(supervisor.supervise("relay", away, status=status))

    async def waits() -> None:
        assert status.text == "waits for kafka: KafkaUnavailable"

    await eventually(waits)
    since = status.since
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert since == status.since


def test_a_task_that_does_not_go_round_any_more_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("chassis.observability.status.time.monotonic", clock)
    status = TaskStatus()
    status.set("ok")
    clock.now = 14
    assert status.text == "ok"
    clock.now = 16
    assert status.text == "no progress for 16 s"
    status.mark_progress()
    assert status.text == "ok"
