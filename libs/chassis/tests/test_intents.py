"""One intent that fails does not affect the others: they are done once and recorded, and it is tried again alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.backoff import Backoff
from chassis.errors import Unavailable
from chassis.jobs import IntentQueue, PostponedIntent, TryLater, intents
from chassis.observability import metrics
from chassis.outbox import Database, Transaction
from testkit.databases import TestDatabase


@dataclass(frozen=True)
class Parcel:
    number: int
    attempts: int = 1


@dataclass
class Table:
    """A table of intents in memory: what is due, and what became of each."""

    due: list[Parcel]
    claims: list[int] = field(default_factory=list)
    recorded: dict[int, str] = field(default_factory=dict)
    postponed: dict[int, tuple[float, str]] = field(default_factory=dict)
    cannot_be_recorded: set[int] = field(default_factory=set)
    cannot_be_postponed: set[int] = field(default_factory=set)
    away_for: int = 0
    """So many transactions find no database."""
    changes: dict[Transaction, list[Callable[[], None]]] = field(default_factory=dict)
    """What a transaction changes when it commits."""

    def commit(self, tx: Transaction) -> None:
        for change in self.changes.pop(tx, []):
            change()

    def _change(self, tx: Transaction, change: Callable[[], None]) -> None:
        self.changes.setdefault(tx, []).append(change)

    async def claim(self, tx: Transaction, limit: int, lease_seconds: float) -> Sequence[Parcel]:
        claimed = self.due[:limit]
        self._change(tx, lambda: self._take(claimed))
        return claimed

    def _take(self, claimed: Sequence[Parcel]) -> None:
        self.due = [parcel for parcel in self.due if parcel not in claimed]
        self.claims.append(len(claimed))

    async def record(self, tx: Transaction, outcomes: Sequence[tuple[Parcel, str]]) -> None:
        if self.away_for:
            self.away_for -= 1
            raise Unavailable("no database")
        for parcel, _ in outcomes:
            if parcel.number in self.cannot_be_recorded:
                raise ValueError(f"{parcel.number} cannot be recorded")
            assert parcel.number not in self.recorded, "recorded twice"
        done = {parcel.number: outcome for parcel, outcome in outcomes}
        self._change(tx, lambda: self.recorded.update(done))

    async def postpone(self, tx: Transaction, postponed: Sequence[PostponedIntent[Parcel]]) -> None:
        for each in postponed:
            if each.item.number in self.cannot_be_postponed:
                raise ValueError(f"{each.item.number} cannot be postponed")
        rests = {each.item.number: (each.seconds, each.error) for each in postponed}
        self._change(tx, lambda: self.postponed.update(rests))

    def queue(self, **changes: object) -> IntentQueue[Parcel, str]:
        values: dict[str, object] = {
            "name": "parcels",
            "claim": self.claim,
            "record": self.record,
            "postpone": self.postpone,
            "max_claimed": 4,
            "concurrency": 4,
            "lease_seconds": 10.0,
            "call_seconds": 9.0,
            "pauses": Backoff(first=60, longest=60),
        }
        return IntentQueue(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
async def db(project: TestDatabase, table: Table) -> AsyncIterator[Database]:
    opened = Database(project.url, on_commit=table.commit)
    yield opened
    await opened.close()


@pytest.fixture
def table() -> Table:
    return Table([])


@given(
    count=st.integers(0, 15),
    fails=st.sets(st.integers(0, 14)),
    unrecorded=st.sets(st.integers(0, 14)),
    unpostponed=st.sets(st.integers(0, 14)),
    concurrency=st.integers(1, 4),
    repeats=st.booleans(),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_each_intent_is_called_once_and_ends_done_or_postponed_alone(
    project: TestDatabase,
    count: int,
    fails: set[int],
    unrecorded: set[int],
    unpostponed: set[int],
    concurrency: int,
    repeats: bool,
) -> None:
    table = Table([Parcel(n) for n in range(count)])
    table.cannot_be_recorded = unrecorded
    table.cannot_be_postponed = unpostponed
    called: list[int] = []

    async def call(parcel: Parcel) -> str:
        called.append(parcel.number)
        if parcel.number in fails:
            raise [TryLater("closed"), Unavailable("away"), KeyError("bug")][parcel.number % 3]
        return "done"

    max_claimed = 4 if repeats else 15
    db = Database(project.url, on_commit=table.commit)
    queue = table.queue(max_claimed=max_claimed, concurrency=concurrency, repeats=repeats)
    counts = await queue.process_due(db, call)
    await db.close()
    every = set(range(count))
    assert sorted(called) == sorted(every)
    assert table.recorded.keys() == every - fails - unrecorded
    assert table.postponed.keys() == (every & (fails | unrecorded)) - unpostponed
    assert counts == (count, len(table.recorded))
    reasons = {number: error for number, (_, error) in table.postponed.items()}
    for number, error in reasons.items():
        expected = ["closed", "Unavailable", "KeyError"][number % 3] if number in fails else "not-recorded"
        assert error == expected


async def test_what_was_done_is_kept_while_the_database_is_away(
    db: Database, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intents, "RECORDING", Backoff(first=0))
    table.due = [Parcel(1), Parcel(2)]
    table.away_for = 3
    called: list[int] = []

    async def call(parcel: Parcel) -> str:
        called.append(parcel.number)
        return "done"

    assert await table.queue().process_due(db, call) == (2, 2)
    assert called == [1, 2]
    assert table.recorded == {1: "done", 2: "done"}


async def test_a_call_that_takes_too_long_is_cut_off_before_the_lease_ends(
    db: Database, table: Table
) -> None:
    table.due = [Parcel(1), Parcel(2)]

    async def call(parcel: Parcel) -> str:
        if parcel.number == 1:
            await asyncio.Event().wait()
        return "done"

    async with asyncio.timeout(10):
        assert await table.queue(call_seconds=0.05).process_due(db, call) == (2, 1)
    assert table.recorded == {2: "done"}
    assert table.postponed[1][1] == "out-of-time"


async def test_when_the_process_ends_the_done_is_recorded_and_the_rest_is_due_at_once(
    db: Database, table: Table
) -> None:
    table.due = [Parcel(1), Parcel(2)]
    is_called = asyncio.Event()

    async def call(parcel: Parcel) -> str:
        if parcel.number == 1:
            is_called.set()
            await asyncio.Event().wait()
        return "done"

    working = asyncio.create_task(table.queue().process_due(db, call))
    await is_called.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert table.recorded.keys() | table.postponed.keys() == {1, 2}
    assert table.postponed[1] == (0.0, "cut-off")


async def test_an_intent_that_becomes_due_is_claimed_at_once_while_a_slow_call_is_in_flight(
    db: Database, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intents, "LOOK_AGAIN_SECONDS", 1_000.0)
    table.due = [Parcel(1)]
    is_called = {1: asyncio.Event(), 2: asyncio.Event()}

    async def call(parcel: Parcel) -> str:
        is_called[parcel.number].set()
        if parcel.number == 1:
            await is_called[2].wait()
        return "done"

    queue = table.queue()
    working = asyncio.create_task(queue.process_due(db, call))
    await is_called[1].wait()
    table.due = [Parcel(2)]
    queue.more_due.set()
    async with asyncio.timeout(20):
        assert await working == (2, 2)


async def test_a_queue_that_does_not_repeat_claims_once(db: Database, table: Table) -> None:
    table.due = [Parcel(n) for n in range(9)]

    async def call(parcel: Parcel) -> str:
        return "done"

    assert await table.queue(repeats=False).process_due(db, call) == (4, 4)
    assert table.claims == [4]


async def test_a_failed_claim_is_the_jobs_failure(db: Database, table: Table) -> None:
    async def claim(tx: Transaction, limit: int, lease_seconds: float) -> Sequence[Parcel]:
        raise Unavailable("no database")

    async def call(parcel: Parcel) -> str:
        return "done"

    with pytest.raises(Unavailable):
        await table.queue(claim=claim).process_due(db, call)


async def test_a_try_without_a_result_is_counted_after_the_commit(db: Database, table: Table) -> None:
    def postponed() -> float:
        return float(metrics.INTENTS_POSTPONED.labels("parcels")._value.get())

    async def call(parcel: Parcel) -> str:
        assert postponed() == before
        if parcel.number == 0:
            raise TryLater("busy")
        return "done"

    before = postponed()
    table.due = [Parcel(0), Parcel(1)]
    await table.queue(repeats=False).process_due(db, call)
    assert postponed() == before + len(table.postponed) == before + 1
