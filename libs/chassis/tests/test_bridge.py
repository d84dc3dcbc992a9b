"""The bridge sends an outbox to Kafka window by window, in the place of a relay (docs/decisions/0063)."""

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import text

from chassis import bridge
from chassis.events import Cause
from chassis.kafka import KafkaPublisher
from chassis.outbox import Database, OutboxRow, RowsNotSent, Unsent, UnsentReason
from chassis.outbox.windows import rows_between
from chassis.postgres import connect
from libs.chassis.tests.conftest import ThingCounted
from testkit.databases import TestDatabase

BEGINNING = "3:3:"
NOW = text("SELECT pg_current_snapshot()::text")
GIVE_UP = text(
    "INSERT INTO outbox_set_aside (id, shard, topic, key, state, error, ended_at)"
    " SELECT id, shard, topic, key, 'GIVEN_UP', 'planted', now() FROM outbox WHERE key = :key"
)
SECONDS = 60.0


async def publish(db: Database, *names: str) -> None:
    async with db.transaction() as tx:
        for number, name in enumerate(names):
            tx.publish(ThingCounted(name=name, number=number), cause=Cause(None, name, None))


async def snapshot(db: Database) -> str:
    async with db.reading() as connection:
        return str(await connection.value(NOW))


async def keys_between(project: TestDatabase, since: str, until: str, page: int = 2) -> list[list[str]]:
    connection = await connect(project.url)
    try:
        return [[row.key for row in rows] async for rows in rows_between(connection, since, until, page)]
    finally:
        await connection.close()


async def test_windows_have_each_row_once_in_the_order_of_the_ids(
    project: TestDatabase, db: Database
) -> None:
    await publish(db, "a", "b", "c")
    first = await snapshot(db)
    await publish(db, "d")
    assert await keys_between(project, BEGINNING, first) == [["a", "b"], ["c"]]
    assert await keys_between(project, first, await snapshot(db)) == [["d"]]
    assert await keys_between(project, first, first) == []


async def test_a_row_that_commits_late_is_in_the_window_of_its_commit(
    project: TestDatabase, db: Database
) -> None:
    async with db.transaction() as late:
        await late.connection.value(text("SELECT pg_current_xact_id()"))
        await publish(db, "early")
        first = await snapshot(db)
        late.publish(ThingCounted(name="late", number=1), cause=Cause(None, "late", None))
    await publish(db, "after")
    assert await keys_between(project, BEGINNING, first) == [["early"]]
    assert await keys_between(project, first, await snapshot(db)) == [["late", "after"]]


async def test_a_row_that_was_given_up_is_not_sent(project: TestDatabase, db: Database) -> None:
    await publish(db, "a", "b")
    async with db.transaction() as tx:
        await tx.connection.execute(GIVE_UP, {"key": "a"})
    assert await keys_between(project, BEGINNING, await snapshot(db)) == [["b"]]


async def answers(project: TestDatabase, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    async with AsyncExitStack() as opened:
        outboxes: list[bridge.Outbox] = []
        at = {"database": project.url, "kafka": {"bootstrap_servers": "127.0.0.1:1"}}
        first = {"modules": {"things": at}}
        return [dict(await bridge._answer(opened, outboxes, request)) for request in (first, *requests)]


async def test_the_answer_is_the_number_of_events_that_kafka_has(
    project: TestDatabase, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    async def send(self: KafkaPublisher, rows: Sequence[OutboxRow]) -> None:
        sent.extend(row.key for row in rows)

    monkeypatch.setattr(KafkaPublisher, "send", send)
    await publish(db, "a", "b")
    window = {"since": BEGINNING, "until": await snapshot(db)}
    assert await answers(project, window) == [{"outboxes": 1}, {"sent": 2}]
    assert sent == ["a", "b"]


async def test_an_event_that_kafka_refuses_is_an_error_and_no_number(
    project: TestDatabase, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: KafkaPublisher, rows: Sequence[OutboxRow]) -> None:
        raise RowsNotSent([Unsent(rows[0], UnsentReason.REFUSED, "too large")])

    monkeypatch.setattr(KafkaPublisher, "send", refuse)
    await publish(db, "a")
    window = {"since": BEGINNING, "until": await snapshot(db)}
    assert (await answers(project, window))[1] == {"error": "Kafka refuses 1 events: too large"}


async def test_as_a_program_it_answers_line_by_line_and_ends_with_its_input(
    project: TestDatabase, db: Database
) -> None:
    await publish(db, "a")
    at = {"database": project.url, "kafka": {"bootstrap_servers": "127.0.0.1:1"}}
    requests = [{"modules": {"things": at}}, {"since": "9:9:", "until": "9:9:"}]
    window = {"since": BEGINNING, "until": await snapshot(db)}
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chassis.bridge",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    lines = "".join(f"{json.dumps(request)}\n" for request in (*requests, window))
    output, _ = await asyncio.wait_for(program.communicate(lines.encode()), SECONDS)
    first, second, third = (json.loads(line) for line in output.splitlines())
    assert (first, second) == ({"outboxes": 1}, {"sent": 0})
    assert third["error"].startswith("KafkaUnavailable: ")
    assert program.returncode == 0
