"""`shop watch`: it ends well only if every step has happened, and says which is missing and the cure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from shop import story
from shop.cli import app
from shop.commands import watch
from shop.letters import OpenLetter
from shop.story import JsonTeller, Outcome, Story
from shop_observe.kafka_log import Entry
from shop_observe.missing_steps import OrderStep
from shop_observe.timeline import Step
from shop_stack import paths
from shop_stack.errors import UserError
from shop_stack.target import Target

ORDER = "01a207af-3c26-70e9-84db-827b769c8a55"
PLACED_AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LIMIT = 0.3
"""Seconds that a test waits for a step that does not come."""


def event(type_: str, **data: Any) -> Entry:
    return Entry(
        topic="any",
        partition=0,
        offset=0,
        sent_ms=0,
        key=ORDER,
        id=f"{type_} {data}",
        source=f"/{type_.partition('.')[0]}",
        type=type_,
        correlation_id=ORDER,
        causation_id="",
        traceparent="",
        decided_at=PLACED_AT.isoformat(),
        value=json.dumps(data).encode(),
    )


PLACED = event("orders.order-placed.v1")
CONFIRMED = [
    PLACED,
    event("inventory.stock-reserved.v1"),
    event("payments.payment-captured.v1"),
    event("orders.order-confirmed.v1"),
    event("inventory.stock-committed.v1"),
]
TOLD = event("notifications.notification-sent.v1", kind="confirmed")


class Notes:
    """A Teller that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.letters: list[OpenLetter] = []

    def step(self, step: Step) -> None:
        self.events.append(step.event)

    def letter(self, letter: OpenLetter) -> None:
        self.letters.append(letter)

    def end(self, outcome: Outcome) -> None:
        raise AssertionError("the command tells the end, not the story")


@pytest.fixture
def shop(target: Target) -> Target:
    """A shop of which inventory's admin API alone answers; its contracts are the real ones."""
    return replace(target, contracts=paths.contracts())


def log_holds(
    monkeypatch: pytest.MonkeyPatch, batches: Sequence[Sequence[Entry]], deadline_at: datetime = PLACED_AT
) -> None:
    """The log gives these batches, and then nothing; the order has this deadline."""

    async def follow(*_: Any) -> AsyncIterator[list[Entry]]:
        for batch in batches:
            yield list(batch)
        while True:
            await asyncio.sleep(0.01)
            yield []

    async def times_of(*_: Any) -> tuple[datetime, datetime]:
        return PLACED_AT, deadline_at

    monkeypatch.setattr(story, "follow", follow)
    monkeypatch.setattr(story, "times_of", times_of)


async def test_a_story_with_every_step_is_complete(shop: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    log_holds(monkeypatch, [CONFIRMED, [], [TOLD]])
    notes = Notes()
    outcome = await Story(shop, ORDER, notes, limit=30.0).follow()
    assert (outcome.complete, outcome.ending) == (True, "CONFIRMED")
    assert notes.events[0] == "order-placed"
    assert notes.events[-1] == "notification-sent"


async def test_events_of_other_orders_and_repetitions_are_not_told(
    shop: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(PLACED, key="other", id="other")
    log_holds(monkeypatch, [[PLACED, other], [PLACED, *CONFIRMED[1:], TOLD, TOLD]])
    notes = Notes()
    await Story(shop, ORDER, notes, limit=30.0).follow()
    assert len(notes.events) == len(CONFIRMED) + 1


async def test_an_order_whose_customer_was_not_told_is_not_complete(
    shop: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_holds(monkeypatch, [CONFIRMED])
    outcome = await Story(shop, ORDER, Notes(), LIMIT).follow()
    assert not outcome.complete
    assert outcome.sentence == (
        "notification-sent (confirmed) of notifications is missing: see `shop status` and "
        f"`shop logs notifications`, then continue with `shop watch {ORDER}`."
    )


async def test_an_order_that_is_pending_is_watched_until_after_its_deadline(
    shop: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadline_at = datetime.now(UTC) + timedelta(seconds=2 * LIMIT)
    log_holds(monkeypatch, [[PLACED]], deadline_at)
    outcome = await Story(shop, ORDER, Notes(), LIMIT).follow()
    assert datetime.now(UTC) >= deadline_at
    assert outcome.missing == [OrderStep("inventory", "stock-reserved or stock-rejected")]


async def test_a_dead_letter_of_the_order_is_told_with_the_command_that_redrives_it(
    shop: Target, write_letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_letter(1, ORDER, "HELD")
    await write_letter(2, "another order", "HELD")
    log_holds(monkeypatch, [[PLACED]])
    notes = Notes()
    outcome = await Story(shop, ORDER, notes, LIMIT).follow()
    (letter,) = notes.letters
    assert (letter.service, letter.state, letter.key) == ("inventory", "HELD", ORDER)
    assert outcome.sentence.startswith("stock-reserved or stock-rejected of inventory is missing: ")
    assert f"`shop dead-letters redrive inventory --key {ORDER}`" in outcome.sentence


async def test_a_story_with_every_step_is_not_complete_beside_a_dead_letter(
    shop: Target, write_letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_letter(1, ORDER, "HELD")
    log_holds(monkeypatch, [[*CONFIRMED, TOLD]])
    outcome = await Story(shop, ORDER, Notes(), LIMIT).follow()
    assert not outcome.missing
    assert not outcome.complete
    assert outcome.sentence.startswith("inventory keeps a dead letter of this order.")


LETTER = OpenLetter("inventory", 7, "HELD", "handler-failed", "orders.order-placed.v1", ORDER, PLACED_AT)


@pytest.mark.parametrize(
    ("missing", "letters", "exit_code"),
    [
        ([], [], 0),
        ([OrderStep("inventory", "stock-committed")], [], 1),
        ([], [LETTER], 1),
    ],
)
def test_the_command_ends_as_the_story_does_and_its_last_json_line_is_the_outcome(
    monkeypatch: pytest.MonkeyPatch, missing: list[OrderStep], letters: list[OpenLetter], exit_code: int
) -> None:
    outcome = Outcome(ORDER, "CONFIRMED", missing, letters)

    async def follow(told: Story) -> Outcome:
        told.teller.step(Step(PLACED, 0.0, "a request"))
        told.teller.letter(LETTER)
        return outcome

    monkeypatch.setattr(Story, "follow", follow)
    monkeypatch.setattr(watch, "connect", lambda: nullcontext(None))
    result = CliRunner().invoke(app, ["watch", ORDER, "--json"], env={"SHOP_TARGET": "embedded"})
    step, letter, last = (json.loads(line) for line in result.stdout.splitlines())
    assert (step["step"]["event"], step["step"]["because_of"]) == ("order-placed", "a request")
    assert letter["dead_letter"]["id"] == 7
    assert last["outcome"] == outcome.as_json()
    assert last["outcome"]["complete"] is (exit_code == 0)
    assert result.exit_code == exit_code
    assert isinstance(result.exception, UserError) is (exit_code == 1)


def test_every_line_for_programs_names_the_order(capsys: pytest.CaptureFixture[str]) -> None:
    JsonTeller(ORDER).step(Step(PLACED, 1.25, "a request"))
    assert json.loads(capsys.readouterr().out)["order_id"] == ORDER
