"""A fault of the system is not a fault of the event: no dead letters while all events fail alike."""

import itertools
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text

from chassis.errors import Unavailable
from chassis.events import ConsumedEvent, Envelope, RawMessage, Undecodable, decode, read_data
from chassis.events.model import MAX_DATA_BYTES
from chassis.inbox import Inbox, PartlyTaken, Subscriptions, dead_letters
from chassis.kafka.batches import divide
from chassis.observability import metrics
from chassis.outbox import MAX_EVENT_LENGTH, Database
from chassis.postgres import Connection

Message = Callable[..., RawMessage]
EffectsIn = Callable[[Database], Awaitable[list[tuple[str, int]]]]

KEYS = 5


class SystemFault(Exception):
    """A bug that a deployment brought along."""


@pytest.fixture
def inbox(db: Database, subscriptions: Subscriptions) -> Inbox:
    return Inbox(db, "things", subscriptions, max_attempts=2, retries_at_once=True, breaker_keys=KEYS)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    metrics.BREAKERS_OPEN.clear()
    yield
    metrics.BREAKERS_OPEN.clear()


def fail_alike(name: str, number: int) -> Exception:
    return SystemFault(f"'{name}' with {number} cannot be counted")


async def letters(db: Database) -> int:
    async with db.reading() as connection:
        return int(await connection.value(text("SELECT count(*) FROM dead_letters")))


def is_open() -> bool:
    return bool(metrics.BREAKERS_OPEN.labels("things.thing-counted.v1")._value.get())


async def test_a_batch_that_fails_alike_waits_whole_and_makes_no_letter(
    inbox: Inbox, db: Database, effects: Any, message: Message
) -> None:
    effects.fails = fail_alike
    batch = [message(f"thing-{n}", n) for n in range(KEYS)]
    with pytest.raises(PartlyTaken) as partly:
        await inbox.process(batch)
    assert list(partly.value.messages) == batch
    assert await letters(db) == 0
    assert is_open()


async def test_failures_that_come_one_by_one_open_it_too(
    inbox: Inbox, db: Database, effects: Any, message: Message
) -> None:
    effects.fails = fail_alike
    for n in range(KEYS - 1):
        await inbox.process([message(f"thing-{n}", n)])
    for n in range(KEYS, 3 * KEYS):
        with pytest.raises(Unavailable):
            await inbox.process([message(f"thing-{n}", n)])
    assert await letters(db) == KEYS - 1


async def test_it_closes_by_itself_when_an_event_succeeds(
    inbox: Inbox, db: Database, effects: Any, effects_in: EffectsIn, message: Message
) -> None:
    effects.fails = fail_alike
    batch = [message(f"thing-{n}", n) for n in range(KEYS)]
    with pytest.raises(PartlyTaken):
        await inbox.process(batch)
    effects.fails = lambda name, number: None
    await inbox.process(batch)
    assert len(await effects_in(db)) == KEYS
    assert await letters(db) == 0
    assert not is_open()


@pytest.mark.parametrize(
    "fails",
    [
        lambda name, number: SystemFault("even") if number % 2 else None,
        lambda name, number: (SystemFault, KeyError)[number % 2]("unlike"),
        lambda name, number: ValueError("this value is wrong"),
    ],
    ids=["another event succeeds", "they fail in different ways", "each value is wrong"],
)
async def test_events_that_are_at_fault_themselves_are_dead_lettered(
    inbox: Inbox, db: Database, effects: Any, message: Message, fails: Any
) -> None:
    effects.fails = fails
    for n in itertools.chain(range(4 * KEYS)):
        await inbox.process([message(f"thing-{n}", n)])
    assert await letters(db) >= 2 * KEYS
    assert not is_open()


async def test_one_key_that_keeps_failing_is_no_fault_of_the_system(
    inbox: Inbox, db: Database, effects: Any, message: Message
) -> None:
    effects.fails = fail_alike
    for n in range(3 * KEYS):
        await inbox.process([message("thing", n)])
    assert await letters(db) == 3 * KEYS


async def test_it_can_be_switched_off(
    db: Database, subscriptions: Subscriptions, effects: Any, message: Message
) -> None:
    inbox = Inbox(db, "things", subscriptions, max_attempts=1, breaker_keys=0)
    effects.fails = fail_alike
    await inbox.process([message(f"thing-{n}", n) for n in range(30)])
    assert await letters(db) == 30


def letters_of(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """The letters of one statement, each with its values by name."""
    names = [name for name, values in columns.items() if isinstance(values, list)]
    return [
        dict(zip(names, letter, strict=True))
        for letter in zip(*(columns[name] for name in names), strict=True)
    ]


@pytest.fixture
def letter_fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[dict[str, Any]], bool]], None]:
    """letter_fails(which): the statement that stores dead letters fails for such dead letters."""
    execute = Connection.rows
    store_letters = dead_letters.statements.named("store_letters")

    def install(which: Callable[[dict[str, Any]], bool]) -> None:
        async def rows(self: Connection, statement: Any, values: Any = None) -> Any:
            if statement is store_letters and any(map(which, letters_of(values))):
                raise RuntimeError("this letter cannot be stored")
            return await execute(self, statement, values)

        monkeypatch.setattr(Connection, "rows", rows)

    return install


async def test_a_letter_that_cannot_be_stored_whole_is_stored_without_its_bytes(
    inbox: Inbox, db: Database, effects_in: EffectsIn, message: Message, letter_fails: Any
) -> None:
    letter_fails(lambda letter: letter["value"] is not None)
    await inbox.process([message("a", 1), message("b", 2, value=b"no JSON"), message("c", 3)])
    assert sorted(await effects_in(db)) == [("a", 1), ("c", 3)]
    async with db.reading() as connection:
        (letter,) = await connection.rows(text("SELECT key, state, value, error FROM dead_letters"))
    assert (letter.key, letter.state, letter.value) == ("b", "HELD", None)
    assert "could not be stored" in letter.error


async def test_where_no_letter_can_be_stored_only_its_message_and_its_key_are_left(
    inbox: Inbox, db: Database, effects_in: EffectsIn, message: Message, letter_fails: Any
) -> None:
    letter_fails(lambda letter: letter["key"] == "b")
    batch = [message("a", 1), message("b", 2, value=b"no JSON"), message("b", 3), message("c", 4)]
    with pytest.raises(PartlyTaken) as partly:
        await inbox.process(batch)
    assert [message.position for message in partly.value.messages] == [batch[1].position, batch[2].position]
    assert sorted(await effects_in(db)) == [("a", 1), ("c", 4)]


def test_behind_a_message_that_is_left_its_partition_is_fetched_again() -> None:
    def record(partition: int, offset: int) -> Any:
        return type("Record", (), {"topic": "t", "partition": partition, "offset": offset})()

    records = [record(0, 1), record(1, 1), record(0, 2), record(1, 2), record(0, 3)]
    left = [RawMessage("t", (0, 2), None, None, [])]
    done, again = divide(records, left)
    assert [(r.partition, r.offset) for r in done] == [(0, 1), (1, 1), (1, 2)]
    assert [(r.partition, r.offset) for r in again] == [(0, 2), (0, 3)]


class Named(ConsumedEvent, type="things.thing-named.v1", topic="things.thing.v1", key="name"):
    name: str


def named(data: bytes, message: RawMessage) -> Envelope[bytes]:
    return decode(message)._replace(data=data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"name": "b"}', "bad-subject"),
        (rb'{"name": "a", "more": ["\u0000"]}', "schema-violation"),
        (rb'{"name": "a", "more": "\ud800"}', "schema-violation"),
        (b'{"name": "' + b"a" * 501 + b'"}', "schema-violation"),
        (b'{"name": "a", "more": "' + b"a" * MAX_DATA_BYTES + b'"}', "too-large"),
        (b"[" * 100_000, "schema-violation"),
        (b'{"name": "a", "more": NaN}', "schema-violation"),
        (b'{"name": "a", "more": {"most": [-Infinity]}}', "schema-violation"),
    ],
)
def test_data_that_cannot_be_stored_is_refused(message: Message, data: bytes, reason: str) -> None:
    with pytest.raises(Undecodable) as refused:
        read_data(Named, named(data, message("a", 1)))
    assert refused.value.reason == reason


def test_a_backslash_before_what_looks_like_a_nul_is_text(message: Message) -> None:
    data = rb'{"name": "a", "more": "\\u0000", "number": ' + b"9" * 4_000 + b"}"
    assert read_data(Named, named(data, message("a", 1))).name == "a"


def test_a_text_may_be_the_name_of_a_number_that_json_does_not_have(message: Message) -> None:
    data = b'{"name": "NaN", "more": "Infinity"}'
    event = message("NaN", 1)
    assert read_data(Named, named(data, event)).name == "NaN"


def test_consumed_data_may_be_as_large_as_published_data() -> None:
    assert 4 * MAX_EVENT_LENGTH == MAX_DATA_BYTES
