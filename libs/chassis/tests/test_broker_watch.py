"""Questions to the broker, which find out whether it is away or only one client gets no answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from chassis.kafka import broker_watch
from chassis.kafka.broker_watch import MAX_UNANSWERED, BrokerWatch
from chassis.kafka.refusals import Login
from chassis.observability import outages as outages_module
from chassis.observability.outages import Outages
from chassis.observability.status import TaskStatus
from testkit import eventually

Answer = Callable[[int], Awaitable[None]]
"""Answers the question of this number, from 1."""


class Asked:
    """A client whose broker answers in one way."""

    def __init__(self, answer: Answer) -> None:
        self.questions = 0
        self._answer = answer

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition("things.thing.v1", 0)}

    async def end_offsets(self, partitions: object) -> None:
        self.questions += 1
        await self._answer(self.questions)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    # A logger keeps the processors of its first use, so that `capture_logs` would see nothing in a whole run.
    for module in (outages_module, broker_watch):
        monkeypatch.setattr(module, "log", structlog.get_logger())
    monkeypatch.setattr(broker_watch, "OUTAGES", Outages())
    monkeypatch.setattr(broker_watch, "CHECK_SECONDS", 0.02)


@pytest.fixture
def a_new_login_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[Login], None]:
    def chosen(login: Login) -> None:
        async def found(kafka: object) -> Login:
            return login

        monkeypatch.setattr(broker_watch, "new_login", found)

    return chosen


@asynccontextmanager
async def watching(client: Asked, status: TaskStatus) -> AsyncIterator[BrokerWatch]:
    """A watch that runs in the block."""
    watch = BrokerWatch(cast(AIOKafkaConsumer, client), status)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def never(number: int) -> None:
    await for_ever()


async def test_a_broker_that_answers_no_question_is_away_until_it_answers(a_new_login_is: Any) -> None:
    a_new_login_is(Login.NO_ANSWER)

    async def answer(number: int) -> None:
        if number == 1:
            raise KafkaConnectionError("no broker")
        if number == 2:
            await for_ever()

    status, seen = TaskStatus(), list[str]()
    status.set("ok")
    client = Asked(answer)

    async def is_back() -> None:
        seen.append(status.text)
        assert client.questions >= 3
        assert status.text == "ok"

    with capture_logs() as lines:
        async with watching(client, status):
            await eventually(is_back)
    assert any(text.startswith("waits for kafka") for text in seen)
    assert [line["event"] for line in lines] == ["outage.began"]


async def test_a_client_that_gets_no_answers_is_stuck_if_new_connections_are_answered(
    a_new_login_is: Any,
) -> None:
    a_new_login_is(Login.ACCEPTED)
    client = Asked(never)

    async def is_stuck() -> None:
        assert watch.is_stuck

    with capture_logs() as lines:
        async with watching(client, TaskStatus()) as watch:
            await eventually(is_stuck)
    assert client.questions >= MAX_UNANSWERED
    assert "consumer.client_stuck" in [line["event"] for line in lines]


@pytest.mark.parametrize("login", [Login.NO_ANSWER, Login.REFUSED])
async def test_a_client_is_not_stuck_while_new_connections_get_no_further(
    a_new_login_is: Any, monkeypatch: pytest.MonkeyPatch, login: Login
) -> None:
    a_new_login_is(login)
    monkeypatch.setattr(broker_watch, "login_refusal", lambda kafka: KafkaConnectionError("refused"))
    client = Asked(never)

    async def has_asked_often() -> None:
        assert client.questions > 2 * MAX_UNANSWERED

    async with watching(client, TaskStatus()) as watch:
        await eventually(has_asked_often)
        assert not watch.is_stuck


async def test_an_answer_in_between_shows_that_the_client_goes_on(a_new_login_is: Any) -> None:
    a_new_login_is(Login.ACCEPTED)

    async def answer(number: int) -> None:
        if number % MAX_UNANSWERED:
            await for_ever()

    client = Asked(answer)

    async def has_asked_often() -> None:
        assert client.questions > 3 * MAX_UNANSWERED

    async with watching(client, TaskStatus()) as watch:
        await eventually(has_asked_often)
        assert not watch.is_stuck
