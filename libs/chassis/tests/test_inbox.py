"""Each event once, in the order of its key, whatever fails."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from chassis.errors import Unavailable
from chassis.events import Batch, Cause, ConsumedEvent, PublishedEvent, RawMessage, new_id
from chassis.inbox import Handler, Inbox, PartlyTaken, Subscriptions, WholeBatch, dead_letters
from chassis.outbox import Database
from testkit import statements

Message = Callable[..., RawMessage]
EffectsIn = Callable[[Database], Awaitable[list[tuple[str, int]]]]


async def letters(db: Database) -> list[tuple[str, str, str]]:
    async with db.reading() as connection:
        rows = await connection.rows(text("SELECT key, state, reason FROM dead_letters ORDER BY id"))
        return [(key, state, reason) for key, state, reason in rows]


async def test_a_batch_of_many_keys_is_one_call_of_its_handler(
    inbox: Inbox, db: Database, effects: Any, message: Message, effects_in: EffectsIn
) -> None:
    await inbox.process([message(f"thing-{n}", n) for n in range(50)])
    assert effects.calls == 1
    assert len(await effects_in(db)) == 50


async def test_a_batch_costs_the_same_number_of_statements_however_large_it_is(
    inbox: Inbox, db: Database, message: Message
) -> None:
    with statements() as small:
        await inbox.process([message("one", 1)])
    with statements() as large:
        await inbox.process([message(f"thing-{n}", n) for n in range(200)])
    assert len(large) == len(small) == 2  # the claim, and the handler's own


async def test_letters_cost_the_same_number_of_statements_however_many_they_are(
    inbox: Inbox, db: Database, message: Message
) -> None:
    with statements() as small:
        await inbox.process([message("one", 1, drop="ce_id")])
    with statements() as large:
        await inbox.process([message(f"thing-{n}", n, drop="ce_id") for n in range(200)])
    assert len(large) == len(small) == 2  # the letters, and their copies
    assert [key for key, _, _ in await letters(db)] == ["one", *(f"thing-{n}" for n in range(200))]


async def test_events_behind_one_held_letter_are_stored_together(
    inbox: Inbox, db: Database, effects: Any, message: Message
) -> None:
    effects.fails = lambda name, number: RuntimeError("never")
    await inbox.process([message("thing", 0)])
    with statements() as small:
        await inbox.process([message("thing", 1)])
    with statements() as large:
        await inbox.process([message("thing", 2 + n) for n in range(50)])
    assert (
        len(large) == len(small) == 4
    )  # the claim, the lock of the key, whether it is held, and the letters
    async with db.reading() as connection:
        values = await connection.rows(text("SELECT value FROM dead_letters ORDER BY id"))
    assert [int(row.value.split(b":")[-1][:-1]) for row in values] == list(range(52))


async def test_letters_beside_a_failing_event_are_stored_together(
    inbox: Inbox, db: Database, effects: Any, message: Message
) -> None:
    effects.fails = lambda name, number: RuntimeError("never")
    with statements() as small:
        await inbox.process([message("a", 0), message("x", 1, drop="ce_id")])
    with statements() as large:
        await inbox.process([message("b", 0), *(message(f"thing-{n}", n, drop="ce_id") for n in range(50))])
    assert len(large) == len(small)
    assert len(await letters(db)) == 53


async def test_events_of_one_key_are_handled_in_their_order(
    inbox: Inbox, db: Database, message: Message, effects_in: EffectsIn
) -> None:
    await inbox.process([message(name, n) for n in range(5) for name in ("a", "b")])
    done = await effects_in(db)
    assert [n for name, n in done if name == "a"] == [n for name, n in done if name == "b"] == [0, 1, 2, 3, 4]


async def test_an_event_that_comes_twice_has_one_effect(
    inbox: Inbox, db: Database, message: Message, effects_in: EffectsIn
) -> None:
    twice = new_id()
    await inbox.process([message("a", 1, id=twice), message("a", 1, id=twice)])
    await inbox.process([message("a", 1, id=twice)])
    assert await effects_in(db) == [("a", 1)]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"drop": "ce_id"}, "no-id"),
        ({"drop": "ce_type"}, "no-type"),
        ({"drop": "ce_source"}, "no-source"),
        ({"drop": "ce_time"}, "no-time"),
        ({"id": "42"}, "bad-id"),
        ({"type": "things.thing-exploded.v1"}, "unknown-type"),
        ({"value": b"not JSON"}, "schema-violation"),
        ({"value": b'{"name": "bad"}'}, "schema-violation"),
    ],
)
async def test_a_message_that_cannot_be_read_is_dead_lettered_and_its_neighbours_go_on(
    inbox: Inbox, db: Database, message: Message, effects_in: EffectsIn, broken: dict[str, Any], reason: str
) -> None:
    await inbox.process([message("before", 1), message("bad", 1, **broken), message("after", 2)])
    assert await effects_in(db) == [("before", 1), ("after", 2)]
    ((key, _, found),) = await letters(db)
    assert (key, found) == ("bad", reason)
    async with db.reading() as connection:
        copies = await connection.rows(text("SELECT topic FROM outbox"))
        assert [copy.topic for copy in copies] == ["things.dead-letters"]


async def test_bytes_that_are_no_event_at_all_are_dead_lettered(inbox: Inbox, db: Database) -> None:
    garbage = RawMessage("things.thing.v1", (3, 7), None, b"\x00\xff\x00", [("x", b"\xff\x00")])
    await inbox.process([garbage, garbage])
    assert [(state, reason) for _, state, reason in await letters(db)] == [("PARKED", "no-headers")]


class CountedByOthers(ConsumedEvent, type="others.thing-counted.v1", topic="others.thing.v1"):
    name: str
    number: int


async def test_two_sources_may_give_their_events_the_same_id(
    db: Database, effects: Any, inbox: Inbox, message: Message, effects_in: EffectsIn
) -> None:
    both: dict[type[ConsumedEvent], Handler | WholeBatch] = {CountedByOthers: effects.count}
    both |= {s.model: s.handler for s in inbox.subscriptions.by_type.values()}
    same = new_id()
    by_others = message("b", 2, id=same, source="/others", type="others.thing-counted.v1")
    batch = [message("a", 1, id=same), by_others._replace(topic="others.thing.v1")]
    await Inbox(db, "things", Subscriptions(both)).process(batch)
    assert sorted(await effects_in(db)) == [("a", 1), ("b", 2)]


async def test_a_value_that_no_column_holds_is_poison_and_not_an_outage(
    inbox: Inbox, db: Database, message: Message, effects_in: EffectsIn
) -> None:
    await inbox.process([message("a", 2**40), message("b", 1)])
    assert await effects_in(db) == [("b", 1)]
    assert await letters(db) == [("a", "HELD", "handler-failed")]


async def test_a_disk_that_is_full_is_an_outage_and_not_poison(
    inbox: Inbox, db: Database, effects: Any, message: Message
) -> None:
    full = asyncpg.DiskFullError("no space left on device")
    effects.fails = lambda name, number: full
    with pytest.raises(asyncpg.DiskFullError):
        await inbox.process([message("a", 1)])
    assert await letters(db) == []


async def test_an_event_whose_key_no_index_holds_is_parked_and_its_neighbours_go_on(
    inbox: Inbox, db: Database, message: Message, effects_in: EffectsIn
) -> None:
    endless = random.randbytes(50_000).hex()
    await inbox.process([message("a", 1), message(endless, 1, value=b"{}"), message(endless, 2)])
    assert await effects_in(db) == [("a", 1)]
    found = await letters(db)
    assert [(state, reason) for _, state, reason in found] == [("PARKED", "bad-subject")] * 2
    assert all(endless.startswith(key) for key, _, _ in found)


async def test_the_copy_of_a_large_dead_letter_still_fits_into_kafka(inbox: Inbox, db: Database) -> None:
    large = RawMessage("things.thing.v1", (3, 7), b"a", bytes(1_000_000), [("x", b"y" * 20_000)])
    await inbox.process([large])
    async with db.reading() as connection:
        assert 0 < await connection.value(text("SELECT octet_length(data) FROM outbox")) <= 16_000
        assert await connection.value(text("SELECT octet_length(value) FROM dead_letters")) == 1_000_000


async def test_an_event_that_kafka_would_never_take_is_refused_when_it_is_published(
    db: Database, thing_counted: Callable[[str, int], PublishedEvent]
) -> None:
    with pytest.raises(ValueError, match="too large"):
        async with db.transaction() as tx:
            tx.publish(thing_counted("a" * 1_000_000, 1), cause=Cause(None, "a", None))


async def test_a_type_that_is_ignored_leaves_no_trace(inbox: Inbox, db: Database, message: Message) -> None:
    await inbox.process([message("a", 1, type="things.thing-ignored.v1", value=b"whatever")])
    assert await letters(db) == []


async def test_an_event_that_keeps_failing_holds_its_key_and_no_other(
    inbox: Inbox, db: Database, effects: Any, message: Message, effects_in: EffectsIn
) -> None:
    tries: list[int] = []

    def fails(name: str, number: int) -> Exception | None:
        if (name, number) != ("a", 2):
            return None
        tries.append(number)
        return ValueError("2 is poison")

    effects.fails = fails
    await inbox.process([message(name, n) for n in (1, 2, 3) for name in ("a", "b")])
    await inbox.process([message("a", 4), message("b", 4)])
    done = await effects_in(db)
    assert [n for name, n in done if name == "a"] == [1]
    assert [n for name, n in done if name == "b"] == [1, 2, 3, 4]
    assert await letters(db) == [
        ("a", "HELD", "handler-failed"),
        ("a", "WAITING", "key-held"),
        ("a", "WAITING", "key-held"),
    ]
    assert len(tries) == 1 + 4  # in the batch, then max_attempts times alone


async def test_other_messages_are_handled_between_the_tries_of_an_event_that_fails(
    db: Database, subscriptions: Subscriptions, effects: Any, message: Message, effects_in: EffectsIn
) -> None:
    inbox = Inbox(db, "things", subscriptions)
    poison = message("a", 1)
    behind = message("a", 2)
    effects.fails = lambda name, number: ValueError("poison") if (name, number) == ("a", 1) else None
    for n in range(3):
        with pytest.raises(PartlyTaken) as partly:
            await inbox.process([poison, behind, message("b", n)])
        assert partly.value.messages == [poison, behind]
        assert await letters(db) == []
        await inbox.process([message("c", n)])
    await inbox.process([poison, behind])
    assert await letters(db) == [("a", "HELD", "handler-failed"), ("a", "WAITING", "key-held")]
    assert sorted(await effects_in(db)) == [(name, n) for name in "bc" for n in range(3)]


async def test_an_error_that_is_not_retried_makes_a_dead_letter_at_once_and_nothing_waits(
    db: Database, subscriptions: Subscriptions, effects: Any, message: Message, effects_in: EffectsIn
) -> None:
    subscriptions.not_retried = (LookupError,)
    inbox = Inbox(db, "things", subscriptions)
    effects.fails = lambda name, number: KeyError("no such thing") if (name, number) == ("a", 1) else None
    await inbox.process([message("a", 1), message("b", 1), message("a", 2)])
    assert await letters(db) == [("a", "HELD", "handler-failed"), ("a", "WAITING", "key-held")]
    assert await effects_in(db) == [("b", 1)]


async def test_an_event_that_failed_before_does_not_make_a_later_batch_fail(
    db: Database, subscriptions: Subscriptions, effects: Any, message: Message
) -> None:
    inbox = Inbox(db, "things", subscriptions)
    poison = message("a", 1)
    effects.fails = lambda name, number: ValueError("poison") if name == "a" else None
    with pytest.raises(PartlyTaken):
        await inbox.process([poison])
    before = effects.calls
    with pytest.raises(PartlyTaken):
        await inbox.process([poison, *(message(f"good-{n}", n) for n in range(20))])
    assert effects.calls == before + 2  # the twenty together, and the one alone


async def test_few_events_that_fail_cost_a_large_batch_few_transactions(
    db: Database, subscriptions: Subscriptions, effects: Any, message: Message, effects_in: EffectsIn
) -> None:
    inbox = Inbox(db, "things", subscriptions)
    names = [f"k{number}" for number in range(200)]
    poison = {("k7", 1), ("k120", 2)}
    effects.fails = lambda name, number: ValueError("poison") if (name, number) in poison else None
    with pytest.raises(PartlyTaken):
        await inbox.process([message(name, n) for n in (1, 2) for name in names])
    left = {("k7", 1), ("k7", 2), ("k120", 2)}
    assert sorted(await effects_in(db)) == sorted({(name, n) for name in names for n in (1, 2)} - left)
    assert effects.calls < 120  # one by one, they are 400


async def test_the_key_of_an_event_that_succeeds_at_its_second_try_is_handled_with_all_others_again(
    db: Database, subscriptions: Subscriptions, effects: Any, message: Message, effects_in: EffectsIn
) -> None:
    inbox = Inbox(db, "things", subscriptions, max_attempts=2)
    first = message("a", 1)
    effects.fails = lambda name, number: ValueError("not yet")
    with pytest.raises(PartlyTaken):
        await inbox.process([first])
    effects.fails = lambda name, number: None
    await inbox.process([first])
    before = effects.calls
    await inbox.process([message("a", 2), message("b", 1)])
    assert effects.calls == before + 1
    assert await effects_in(db) == [("a", 1), ("a", 2), ("b", 1)]


async def test_redrive_handles_what_was_held_in_order_and_may_be_repeated(
    inbox: Inbox,
    db: Database,
    effects: Any,
    message: Message,
    effects_in: EffectsIn,
    operator: httpx.AsyncClient,
) -> None:
    effects.fails = lambda name, number: ValueError("poison") if number == 1 else None
    await inbox.process([message("a", n) for n in (1, 2, 3)])
    refused = (await operator.post("/admin/dead-letters/redrive", json={"key": "a"})).json()
    assert (refused["ended"], refused["still_open"]) == (0, 3)
    effects.fails = lambda name, number: None
    answer = (await operator.post("/admin/dead-letters/redrive", json={"key": "a"})).json()
    again = (await operator.post("/admin/dead-letters/redrive", json={"key": "a"})).json()
    assert (answer["ended"], answer["still_open"], again["ended"]) == (3, 0, 0)
    await inbox.process([message("a", 4)])
    assert await effects_in(db) == [("a", 1), ("a", 2), ("a", 3), ("a", 4)]


async def test_two_operators_who_redrive_a_key_at_once_end_each_letter_once_and_in_order(
    inbox: Inbox,
    db: Database,
    effects: Any,
    message: Message,
    effects_in: EffectsIn,
    operator: httpx.AsyncClient,
) -> None:
    effects.fails = lambda name, number: ValueError("poison")
    await inbox.process([message("a", n) for n in range(10)])
    effects.fails = lambda name, number: None
    redrive = [operator.post("/admin/dead-letters/redrive", json={"key": "a"}) for _ in range(3)]
    outcomes = [answer.json() for answer in await asyncio.gather(*redrive)]
    assert sum(outcome["ended"] for outcome in outcomes) == 10
    assert [outcome["error"] for outcome in outcomes] == [None] * 3
    assert await effects_in(db) == [("a", n) for n in range(10)]


async def test_a_parked_letter_that_fails_again_does_not_stop_those_that_are_held(
    inbox: Inbox,
    db: Database,
    effects: Any,
    message: Message,
    effects_in: EffectsIn,
    operator: httpx.AsyncClient,
) -> None:
    effects.fails = lambda name, number: ValueError("poison")
    await inbox.process([message("a", 1, type="things.thing-exploded.v1"), message("a", 2), message("a", 3)])
    effects.fails = lambda name, number: None
    answer = (await operator.post("/admin/dead-letters/redrive", json={"key": "a"})).json()
    assert (answer["ended"], answer["still_open"]) == (2, 1)
    assert "thing-exploded" in answer["error"]
    assert await effects_in(db) == [("a", 2), ("a", 3)]


async def test_redriving_one_letter_takes_first_what_stands_before_it(
    inbox: Inbox,
    db: Database,
    effects: Any,
    message: Message,
    effects_in: EffectsIn,
    operator: httpx.AsyncClient,
) -> None:
    effects.fails = lambda name, number: ValueError("poison")
    parked = message("a", 0, type="things.thing-exploded.v1")
    await inbox.process([message("a", 1), parked, message("a", 2), message("a", 3)])
    effects.fails = lambda name, number: None
    listed = (await operator.get("/admin/dead-letters")).json()
    second = next(letter["id"] for letter in listed if letter["state"] == "WAITING")
    answer = (await operator.post("/admin/dead-letters/redrive", json={"id": second})).json()
    assert (answer["ended"], answer["error"]) == (2, None)
    assert await effects_in(db) == [("a", 1), ("a", 2)]


async def test_an_event_that_was_discarded_has_no_effect_when_it_comes_again(
    inbox: Inbox,
    db: Database,
    effects: Any,
    message: Message,
    effects_in: EffectsIn,
    operator: httpx.AsyncClient,
) -> None:
    effects.fails = lambda name, number: ValueError("poison")
    again = new_id()
    await inbox.process([message("a", 1, id=again)])
    await operator.post("/admin/dead-letters/discard", json={"key": "a"})
    effects.fails = lambda name, number: None
    await inbox.process([message("a", 1, id=again), message("a", 2)])
    assert await effects_in(db) == [("a", 2)]


@pytest.mark.parametrize("query", ["?limit=-1", "?limit=5000", f"/{2**70}", f"/{-(2**70)}"])
async def test_an_operator_who_asks_for_the_impossible_is_told_so(
    operator: httpx.AsyncClient, query: str
) -> None:
    assert (await operator.get(f"/admin/dead-letters{query}")).status_code == 422


@pytest.mark.parametrize("what", ["redrive", "discard"])
@pytest.mark.parametrize("id", [1, 2**70])
async def test_a_letter_that_is_not_there_is_not_found(
    operator: httpx.AsyncClient, what: str, id: int
) -> None:
    answer = await operator.post(f"/admin/dead-letters/{what}", json={"id": id})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:shopfloor:problem:unknown-dead-letter")


async def test_open_letters_are_counted_for_whoever_watches(
    inbox: Inbox, db: Database, message: Message
) -> None:
    await inbox.process([message("a", 1, value=b"{}"), message("a", 2), message("b", 1, drop="ce_id")])
    async with db.reading() as connection:
        await dead_letters.measure(connection)
    open_ones = {
        state: REGISTRY.get_sample_value("chassis_dead_letters_open", {"group": "things", "state": state})
        for state in dead_letters.OPEN_STATES
    }
    assert open_ones == {"HELD": 1, "WAITING": 1, "PARKED": 1}
    assert (REGISTRY.get_sample_value("chassis_dead_letters_oldest_seconds", {"group": "things"}) or 0) > 0


async def test_a_letter_that_is_discarded_lets_the_rest_of_its_key_be_redriven(
    inbox: Inbox,
    db: Database,
    effects: Any,
    message: Message,
    effects_in: EffectsIn,
    operator: httpx.AsyncClient,
) -> None:
    effects.fails = lambda name, number: ValueError("poison") if number == 1 else None
    await inbox.process([message("a", n) for n in (1, 2)])
    (first, _) = (await operator.get("/admin/dead-letters")).json()
    await operator.post("/admin/dead-letters/discard", json={"id": first["id"]})
    await operator.post("/admin/dead-letters/redrive", json={"key": "a"})
    assert await effects_in(db) == [("a", 2)]
    assert [state for _, state, _ in await letters(db)] == ["DISCARDED", "REDRIVEN"]


async def test_an_unreadable_event_of_a_known_type_holds_what_follows_it_and_not_what_came_before(
    inbox: Inbox, db: Database, message: Message, effects_in: EffectsIn
) -> None:
    await inbox.process([message("a", 1), message("a", 2, value=b"{}"), message("a", 3)])
    assert await effects_in(db) == [("a", 1)]
    assert await letters(db) == [("a", "HELD", "schema-violation"), ("a", "WAITING", "key-held")]


async def test_a_dependency_that_is_away_is_no_poison(
    inbox: Inbox, db: Database, effects: Any, message: Message, effects_in: EffectsIn
) -> None:
    batch = [message("a", 1), message("b", 1)]
    effects.fails = lambda name, number: Unavailable("the other company is closed")
    with pytest.raises(Unavailable):
        await inbox.process(batch)
    effects.fails = lambda name, number: None
    await inbox.process(batch)
    assert sorted(await effects_in(db)) == [("a", 1), ("b", 1)]
    assert await letters(db) == []


async def test_what_a_handler_publishes_continues_the_conversation_of_its_cause(
    inbox: Inbox, db: Database, message: Message
) -> None:
    cause = new_id()
    await inbox.process([message("a", 0, id=cause, type="things.thing-renamed.v1", value=b'{"name": "b"}')])
    async with db.reading() as connection:
        row = await connection.row(text("SELECT key, correlation_id, causation_id FROM outbox"))
    assert row is not None
    assert tuple(row) == ("b", "a", cause)


async def test_a_handler_of_whole_batches_is_called_once_with_every_event_of_a_key(
    db: Database, subscriptions: Subscriptions, message: Message
) -> None:
    counted, renamed = (subscription.model for subscription in subscriptions.by_type.values())
    calls: list[list[str]] = []

    async def project(tx: Any, events: Batch[Any]) -> None:
        calls.append([event.type for event in events])

    whole = Subscriptions({counted: WholeBatch(project), renamed: WholeBatch(project)})
    rename = "things.thing-renamed.v1"
    await Inbox(db, "things", whole).process([message("a", 1), message("a", 2, type=rename), message("a", 3)])
    assert calls == [[counted.event_type, renamed.event_type, counted.event_type]]


class Other(ConsumedEvent, type="things.other.v1", topic="t"):
    """An event of these tests alone."""


class SameType(ConsumedEvent, type="things.other.v1", topic="t"):
    """A second model of the same event."""


async def do_nothing(tx: Any, events: Batch[Any]) -> None:
    """A handler that is never called."""


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (lambda: Subscriptions({Other: do_nothing, SameType: do_nothing}), "same event type"),
        (
            lambda: Subscriptions({Other: do_nothing}, ignored={"t": ["things.other.v1"]}),
            "both handled and ignored",
        ),
        (lambda: Subscriptions({}, deferrable=[Other]), "without a handler"),
    ],
)
def test_a_table_of_subscriptions_that_contradicts_itself_is_refused(
    wrong: Callable[[], Subscriptions], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        wrong()
