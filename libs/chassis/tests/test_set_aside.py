"""A row that cannot be sent delays the rows of its key or its topic, and no others."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from chassis.backoff import Backoff
from chassis.events import Cause
from chassis.jobs.prune import prune
from chassis.observability import metrics
from chassis.outbox import (
    CHANNEL,
    Database,
    OutboxRow,
    Relay,
    RowsNotSent,
    Unsent,
    UnsentReason,
    operate,
    rows,
    set_aside,
)
from chassis.outbox.relay import SESSION
from chassis.outbox.republish import republish_all
from chassis.postgres import Driver
from chassis.tuning import planner
from testkit.databases import TestDatabase

Write = Callable[..., Awaitable[None]]


class Broker(list[OutboxRow]):
    """A transport. It never takes rows with `refused` data, and takes nothing for `closed` topics.

    `tells` says that it names the row that it refuses; otherwise it refuses all rows of that topic together.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refused: set[str] = set()
        self.closed: set[str] = set()
        self.tells = True

    async def __call__(self, page: Sequence[OutboxRow]) -> None:
        unsent: list[Unsent] = []
        held: set[tuple[str, str]] = set()
        bad_topics = {row.topic for row in page if row.data in self.refused}
        for row in page:
            if row.topic in self.closed:
                unsent.append(Unsent(row, UnsentReason.TOPIC_UNAVAILABLE, "no such topic"))
            elif not self.tells and row.topic in bad_topics:
                unsent.append(Unsent(row, UnsentReason.BATCH_REFUSED, "batch too large"))
            elif row.data in self.refused:
                held.add((row.topic, row.key))
                unsent.append(Unsent(row, UnsentReason.REFUSED, "too large"))
            elif (row.topic, row.key) in held:
                unsent.append(Unsent(row, UnsentReason.EARLIER_ROW, "behind"))
            else:
                self.append(row)
        if unsent:
            raise RowsNotSent(unsent)

    def data_of(self, topic: str, key: str) -> list[str]:
        return [row.data for row in self if (row.topic, row.key) == (topic, key)]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    monkeypatch.setattr(set_aside, "TRIES", Backoff(first=0))
    return Broker()


@pytest.fixture
async def connection(project: TestDatabase) -> AsyncIterator[Driver]:
    opened = await asyncpg.connect(project.url, server_settings=planner.RELAY_SETTINGS | SESSION)
    yield opened
    await opened.close()


@pytest.fixture
def write(db: Database) -> Write:
    async def write(*messages: tuple[str, str, str]) -> None:
        """Rows of (topic, key, data) in one transaction."""
        async with db.transaction() as tx:
            tx.rows += [
                rows.new_row(topic, key, "things.thing-counted.v1", Cause(None, key, None), data)
                for topic, key, data in messages
            ]

    return write


@asynccontextmanager
async def _relay(connection: Driver, broker: Broker, page: int = 2_000) -> AsyncIterator[Relay]:
    relay = Relay("postgresql://not-asked", broker, page=page)
    await relay._renew(connection)
    yield relay
    await relay.leases.release_all(connection)


async def _run(relay: Relay, connection: Driver, rounds: int = 20) -> None:
    """What the relay's loop does, so many times."""
    for _ in range(rounds):
        await relay._renew(connection)
        await relay.relay_once(connection)
        if relay._set_aside:
            await relay.retries.once(connection)


async def _aside(connection: Driver) -> dict[str, str]:
    """Data → state of rows that are set aside."""
    found = await connection.fetch("SELECT data, state FROM outbox_set_aside JOIN outbox USING (id)")
    return {row["data"]: row["state"] for row in found}


@pytest.mark.parametrize("tells", [True, False])
async def test_a_refused_row_stands_aside_with_its_key_and_all_others_are_sent(
    connection: Driver, broker: Broker, write: Write, tells: bool
) -> None:
    broker.refused = {"bad"}
    broker.tells = tells
    await write(("t", "a", "a1"), ("t", "b", "bad"), ("t", "a", "a2"), ("t", "b", "b2"), ("u", "b", "u1"))
    async with _relay(connection, broker) as relay:
        await _run(relay, connection)
        await write(("t", "b", "b3"), ("t", "c", "c1"))
        await _run(relay, connection)
    assert broker.data_of("t", "a") == ["a1", "a2"]
    assert broker.data_of("u", "b") == ["u1"]
    assert broker.data_of("t", "c") == ["c1"]
    assert broker.data_of("t", "b") == []
    assert await _aside(connection) == {"bad": "REFUSED", "b2": "DELAYED", "b3": "DELAYED"}


async def test_a_topic_that_takes_nothing_delays_its_own_rows_and_then_gets_them_in_order(
    connection: Driver, broker: Broker, write: Write
) -> None:
    broker.closed = {"things.dead-letters"}
    async with _relay(connection, broker, page=3) as relay:
        for n in range(10):
            await write(("things.dead-letters", "a", f"copy {n}"), ("t", "a", f"event {n}"))
            await _run(relay, connection, rounds=5)
        assert broker.data_of("t", "a") == [f"event {n}" for n in range(10)]
        assert broker.data_of("things.dead-letters", "a") == []
        broker.closed.clear()
        await _run(relay, connection)
        await write(("things.dead-letters", "a", "copy 10"))
        await _run(relay, connection)
    assert broker.data_of("things.dead-letters", "a") == [f"copy {n}" for n in range(11)]
    assert await _aside(connection) == {}


async def test_another_relay_keeps_behind_what_its_predecessor_set_aside(
    connection: Driver, broker: Broker, write: Write
) -> None:
    broker.closed = {"t"}
    await write(("t", "a", "a1"))
    async with _relay(connection, broker) as relay:
        await _run(relay, connection, rounds=1)
    await write(("t", "a", "a2"))
    async with _relay(connection, broker) as relay:
        broker.closed.clear()
        await relay.relay_once(connection)
        assert len(broker) == 0
        await _run(relay, connection)
    assert broker.data_of("t", "a") == ["a1", "a2"]


async def test_a_row_that_an_operator_has_set_aside_by_hand_is_sent_again_by_the_relay_that_runs(
    connection: Driver, broker: Broker, write: Write
) -> None:
    async with _relay(connection, broker) as relay:
        await _run(relay, connection, rounds=1)
        await write(("t", "a", "a1"))
        await connection.execute(
            "INSERT INTO outbox_set_aside (id, shard, topic, key, state, error)"
            " SELECT id, shard, topic, key, 'DELAYED', 'by hand' FROM outbox"
        )
        relay.wake(())  # as the notification of `send_again` does
        await _run(relay, connection)
    assert await _aside(connection) == {}
    assert broker.data_of("t", "a") == ["a1"]


async def test_a_relay_that_lost_its_shards_sets_nothing_aside(
    connection: Driver, broker: Broker, write: Write
) -> None:
    broker.refused = {"bad"}
    await write(("t", "a", "bad"))
    async with _relay(connection, broker) as relay:
        await connection.execute("UPDATE relay_cursor SET owner = gen_random_uuid()")
        await relay.relay_once(connection)
    assert await _aside(connection) == {}


async def test_an_operator_sends_a_refused_row_again_or_gives_it_up(
    connection: Driver,
    broker: Broker,
    write: Write,
    operator: httpx.AsyncClient,
) -> None:
    broker.refused = {"big", "worse"}
    await write(("t", "a", "big"), ("t", "a", "a2"), ("t", "b", "worse"), ("t", "b", "b2"))
    told: list[object] = []
    await connection.add_listener(CHANNEL, lambda *heard: told.append(heard[-1]))
    async with _relay(connection, broker) as relay:
        await _run(relay, connection)
        found = (await operator.get("/admin/outbox/set-aside", params={"state": "REFUSED"})).json()
        assert [(row["key"], row["state"], row["error"]) for row in found] == [
            ("a", "REFUSED", "too large"),
            ("b", "REFUSED", "too large"),
        ]
        assert "data" not in found[0]
        broker.refused = {"worse"}  # the topic's limit was raised
        again = await operator.post("/admin/outbox/send-again", json={"key": "a"})
        given_up = await operator.post("/admin/outbox/give-up", json={"id": found[1]["id"]})
        assert (again.status_code, again.json(), given_up.json()) == (202, {"rows": 1}, {"rows": 1})
        await _run(relay, connection)
    assert broker.data_of("t", "a") == ["big", "a2"]
    assert broker.data_of("t", "b") == ["b2"]
    assert await _aside(connection) == {"worse": "GIVEN_UP"}
    assert "" in told  # so that the relay looks at once


async def test_a_row_that_was_given_up_is_not_sent_when_everything_is_republished(
    connection: Driver, broker: Broker, write: Write, db: Database
) -> None:
    broker.refused = {"bad"}
    await write(("t", "a", "bad"), ("t", "a", "a2"))
    async with _relay(connection, broker) as relay:
        await _run(relay, connection)
        assert await operate.give_up(db, operate.RowSelection(key="a")) == 1
        await _run(relay, connection)
    assert broker.data_of("t", "a") == ["a2"]
    broker.refused = set()  # the broker would take it now
    assert await republish_all(db) == 1
    async with _relay(connection, broker) as relay:
        await _run(relay, connection)
    assert broker.data_of("t", "a") == ["a2", "a2"]


async def test_an_operator_must_name_what_is_given_up(operator: httpx.AsyncClient) -> None:
    answer = await operator.post("/admin/outbox/give-up", json={})
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:shopfloor:problem:empty-selection")


async def test_what_stands_aside_is_not_pruned_until_it_is_given_up(
    connection: Driver, broker: Broker, write: Write, db: Database
) -> None:
    broker.refused = {"bad"}
    await write(("t", "a", "bad"), ("t", "b", "b1"))
    async with _relay(connection, broker) as relay:
        await _run(relay, connection, rounds=2)
        await relay.leases.renew(connection)
    await connection.execute("UPDATE outbox SET time = time - interval '2 days'")
    day = timedelta(days=1)
    await prune(db, outbox=day, inbox=day)
    assert [row["data"] for row in await connection.fetch("SELECT data FROM outbox")] == ["bad"]
    await operate.give_up(db, operate.RowSelection(topic="t"))
    await connection.execute("UPDATE outbox_set_aside SET ended_at = ended_at - interval '2 days'")
    await prune(db, outbox=day, inbox=day)
    assert await connection.fetch("SELECT id FROM outbox UNION ALL SELECT id FROM outbox_set_aside") == []


def _metric(gauge: Any) -> float:
    return float(gauge._value.get())


async def test_the_age_of_the_oldest_unsent_row_is_measured_wherever_it_waits(
    connection: Driver, broker: Broker, write: Write, db: Database
) -> None:
    async def age() -> float:
        async with db.reading() as reading:
            operate.show(await operate.measure(reading))
        return _metric(metrics.OUTBOX_OLDEST_UNSENT)

    async def make_older(data: str, seconds: int) -> None:
        await connection.execute(
            "UPDATE outbox SET time = now() - make_interval(secs => $2) WHERE data = $1", data, float(seconds)
        )

    assert await age() == 0
    async with _relay(connection, broker, page=2) as relay:
        async with db.transaction() as slow:
            late = rows.new_row("t", "late", "x.y.v1", Cause(None, "late", None), "late")
            await rows.write(slow.connection, [late])
            await write(("t", "a", "1"), ("t", "a", "2"), ("t", "a", "3"))
            await make_older("1", 5_000)
            assert 5_000 <= await age() < 5_100
            await relay.relay_once(connection)
            await relay.leases.renew(connection)
            await make_older("3", 4_000)
            assert 4_000 <= await age() < 4_100, "in the middle of a window"
            await _run(relay, connection)
            assert await age() == 0
        await make_older("late", 3_000)
        assert 3_000 <= await age() < 3_100, "committed late"
        broker.closed = {"t"}
        await _run(relay, connection)
        assert 3_000 <= await age() < 3_100, "it is set aside"
        assert _metric(metrics.OUTBOX_SET_ASIDE.labels("DELAYED")) == 1
        broker.closed.clear()
        await _run(relay, connection)
        assert await age() == 0


@given(
    messages=st.lists(st.tuples(st.sampled_from("tuv"), st.sampled_from("abc")), min_size=1, max_size=25),
    refused=st.sets(st.integers(0, 24), max_size=4),
    closed=st.sets(st.sampled_from("tuv")),
    tells=st.booleans(),
    page=st.integers(1, 7),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_each_key_keeps_its_order_and_only_what_must_wait_waits(
    connection: Driver,
    db: Database,
    broker: Broker,
    messages: list[tuple[str, str]],
    refused: set[int],
    closed: set[str],
    tells: bool,
    page: int,
) -> None:
    await connection.execute("DELETE FROM outbox")
    await connection.execute("DELETE FROM outbox_set_aside")
    broker.clear()
    broker.refused = {str(n) for n in refused}
    broker.closed = set(closed)
    broker.tells = tells
    async with _relay(connection, broker, page) as relay:
        for n, (topic, key) in enumerate(messages):
            async with db.transaction() as tx:
                cause = Cause(None, key, None)
                tx.rows.append(rows.new_row(topic, key, "things.thing-counted.v1", cause, str(n)))
            if n % 3 == 0:
                await _run(relay, connection, rounds=2)
        broker.closed.clear()
        await _run(relay, connection, rounds=40)
    for topic, key in set(messages):
        written = [n for n, message in enumerate(messages) if message == (topic, key)]
        first_refused = next((n for n in written if n in refused), len(messages))
        assert broker.data_of(topic, key) == [str(n) for n in written if n < first_refused]


async def test_a_long_correlation_id_is_cut_when_a_row_is_written(db: Database) -> None:
    async with db.transaction() as tx:
        tx.rows.append(rows.new_row("t", "a", "x.y.v1", Cause(None, "c" * 2_000_000, "0" * 2_000_000), "{}"))
    async with db.reading() as reading:
        [row] = await reading.rows(text("SELECT length(correlation_id) AS length, traceparent FROM outbox"))
    assert (row.length, row.traceparent) == (500, None)
