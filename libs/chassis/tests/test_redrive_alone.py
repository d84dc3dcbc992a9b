"""A dead letter that fails while it is redriven does not stop the dead letters of other keys."""

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx

from chassis.events import RawMessage
from chassis.inbox import Inbox, operate
from chassis.inbox.dead_letters import MAX_ERROR_LENGTH
from chassis.outbox import Database

Message = Callable[..., RawMessage]
EffectsIn = Callable[[Database], Awaitable[list[tuple[str, int]]]]


async def test_a_lost_race_of_one_key_stops_no_other_key(
    inbox: Inbox, db: Database, effects: Any, message: Message, effects_in: EffectsIn
) -> None:
    effects.fails = lambda name, number: ValueError("poison")
    await inbox.process([message(name, 1) for name in "abcde"])
    effects.fails = lambda name, number: asyncpg.DeadlockDetectedError("lost") if name == "b" else None
    outcome = await operate.redrive(db, inbox, operate.LetterSelection(topic="things.thing.v1"))
    assert (outcome.ended, outcome.still_open) == (4, 1)
    assert "lost" in (outcome.error or "")
    assert sorted(await effects_in(db)) == [(name, 1) for name in "acde"]


async def test_letters_that_succeeded_before_their_key_was_stopped_are_counted(
    inbox: Inbox, db: Database, effects: Any, message: Message, effects_in: EffectsIn
) -> None:
    effects.fails = lambda name, number: ValueError("poison")
    await inbox.process([message("a", number) for number in (1, 2, 3)])
    effects.fails = lambda name, number: ConnectionError("away") if number == 3 else None
    outcome = await operate.redrive(db, inbox, operate.LetterSelection(topic="things.thing.v1"))
    assert (outcome.ended, outcome.still_open) == (2, 1)
    assert "away" in (outcome.error or "")
    assert sorted(await effects_in(db)) == [("a", 1), ("a", 2)]


async def test_when_each_key_finds_the_dependency_away_the_call_says_so(
    inbox: Inbox, effects: Any, message: Message, operator: httpx.AsyncClient
) -> None:
    effects.fails = lambda name, number: ValueError("poison")
    await inbox.process([message(name, 1) for name in "ab"])
    effects.fails = lambda name, number: ConnectionError("away")
    answer = await operator.post("/admin/dead-letters/redrive", json={"key": "a"})
    assert answer.status_code == 503


async def test_the_errors_of_many_letters_make_a_short_answer(
    inbox: Inbox, db: Database, effects: Any, message: Message
) -> None:
    effects.fails = lambda name, number: ValueError("x" * 10_000)
    await inbox.process([message(f"key-{n}", 1) for n in range(12)])
    outcome = await operate.redrive(db, inbox, operate.LetterSelection(topic="things.thing.v1"))
    assert outcome.still_open == 12
    assert len(outcome.error or "") == MAX_ERROR_LENGTH
