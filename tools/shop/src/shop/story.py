"""The story of an order while it happens: its events, its dead letters, and the steps that are missing at the end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx
import typer
from rich.console import Console

from shop.letters import OpenLetter, clock, open_letters
from shop_observe.kafka_log import Entry
from shop_observe.log import follow
from shop_observe.missing_steps import OrderStep, missing_steps
from shop_observe.timeline import ENDINGS, Step, detail_of, has_ended, tell, timeline_line
from shop_observe.topics import declared_topics
from shop_stack.errors import UserError
from shop_stack.logins import OPERATOR, Login
from shop_stack.target import Target

SILENCE = 3.0
"""Seconds to wait after the last step of a cancelled order: a charge in progress may still be refunded."""
BETWEEN_QUESTIONS = 1.0
"""Seconds between two requests for dead letters."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of watching an order."""

    order_id: str
    ending: str
    """CONFIRMED, REJECTED or CANCELLED; empty if the order has not ended."""
    missing: Sequence[OrderStep]
    letters: Sequence[OpenLetter]
    """The order's open dead letters."""

    @property
    def complete(self) -> bool:
        """Whether every step has happened and no service has an open dead letter of the order."""
        return not self.missing and not self.letters

    @property
    def sentence(self) -> str:
        """The step that is missing, and what to do."""
        if self.letters:
            held = self.letters[0]
            lost = f"{_named(self.missing[0])} is missing: " if self.missing else ""
            return (
                f"{lost}{held.service} keeps a dead letter of this order. Read it with "
                f"`shop dead-letters show {held.service} {held.id}`, fix the cause, then "
                f"`shop dead-letters redrive {held.service} --key {held.key}`."
            )
        step = self.missing[0]
        return (
            f"{_named(step)} is missing: see `shop status` and `shop logs {step.service}`, "
            f"then continue with `shop watch {self.order_id}`."
        )

    def as_json(self) -> dict[str, Any]:
        """The outcome as JSON."""
        return {
            "order_id": self.order_id,
            "ending": self.ending or None,
            "complete": self.complete,
            "missing": [{"service": step.service, "event": step.event} for step in self.missing],
            "dead_letters": [_letter_as_json(letter) for letter in self.letters],
        }


class Teller(Protocol):
    """Prints the story of an order."""

    def step(self, step: Step) -> None:
        """Print an event of the order."""

    def letter(self, letter: OpenLetter) -> None:
        """Print a dead letter of the order."""

    def end(self, outcome: Outcome) -> None:
        """Print the outcome. The story has ended, or nothing more is waited for."""


class TextTeller:
    """Prints the story for people: one line per event."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def step(self, step: Step) -> None:
        self._console.print(timeline_line(step), soft_wrap=True)

    def letter(self, letter: OpenLetter) -> None:
        self._console.print(
            f"{letter.service} keeps a dead letter of this order since {clock(letter.since)}: "
            f"{letter.type or 'no event'}, {letter.state}, {letter.reason}",
            style="yellow",
            soft_wrap=True,
        )

    def end(self, outcome: Outcome) -> None:
        if outcome.complete:
            self._console.print(f"The order is {outcome.ending}, and every step has happened.", style="dim")


class JsonTeller:
    """Prints the story for programs: one JSON object per line. The last one is the outcome."""

    def __init__(self, order_id: str) -> None:
        self._order_id = order_id

    def step(self, step: Step) -> None:
        entry = step.entry
        self._print(
            step={
                "after_ms": round(step.offset_ms, 1),
                "service": step.service,
                "event": step.event,
                "because_of": step.cause,
                "id": entry.id,
                "at": entry.moment.isoformat(),
                "detail": detail_of(entry),
            }
        )

    def letter(self, letter: OpenLetter) -> None:
        self._print(dead_letter=_letter_as_json(letter))

    def end(self, outcome: Outcome) -> None:
        self._print(outcome=outcome.as_json())

    def _print(self, **line: Any) -> None:
        typer.echo(json.dumps({"order_id": self._order_id, **line}))


@dataclass
class Story:
    """Follows one order through the log until its last step, or until no event has come for `limit` seconds."""

    target: Target
    order_id: str
    teller: Teller
    limit: float
    _known: dict[str, Entry] = field(default_factory=dict, init=False)
    """The order's events, by event id."""
    _told: set[tuple[str, int]] = field(default_factory=set, init=False)
    """(service, id) of each dead letter that was printed."""

    async def follow(self) -> Outcome:
        """Print each event and each dead letter as it comes. Returns the outcome with the missing steps.

        While the order is PENDING, its deadline is waited for as well, because the order may end then.

        Raises UserError if there is no such order, or if orders or Kafka does not answer.
        """
        placed_at, deadline_at = await times_of(self.target, self.order_id)
        topics = [topic for topic in declared_topics(self.target.contracts) if not topic.compacted]
        heard_at = asked_at = time.monotonic()
        async with aclosing(follow(self.target, topics, placed_at - timedelta(seconds=5))) as batches:
            async for entries in batches:
                now = time.monotonic()
                if self._tell(entries, placed_at):
                    heard_at = now
                    continue
                silence = now - heard_at
                if self._over(silence) or self._given_up(silence, deadline_at):
                    break
                if now - asked_at > BETWEEN_QUESTIONS:
                    asked_at = now
                    await self._ask_for_letters()
        letters = await self._ask_for_letters()
        return Outcome(self.order_id, self._ending, missing_steps(self._known.values()), letters)

    @property
    def _ending(self) -> str:
        types = {entry.type for entry in self._known.values() if not entry.fault}
        return next((ENDINGS[type_] for type_ in ENDINGS if type_ in types), "")

    def _tell(self, entries: Iterable[Entry], placed_at: datetime) -> bool:
        """Print the new events of the order. Returns whether there were any."""
        news = {e.id: e for e in entries if e.key == self.order_id and e.id not in self._known}
        self._known |= news
        for step in tell(sorted(news.values(), key=lambda entry: entry.moment), self._known, placed_at):
            self.teller.step(step)
        return bool(news)

    def _over(self, silence: float) -> bool:
        late_refund_possible = self._ending == "CANCELLED"
        return not missing_steps(self._known.values()) and (not late_refund_possible or silence > SILENCE)

    def _given_up(self, silence: float, deadline_at: datetime) -> bool:
        is_pending = not has_ended(self._known.values())
        if is_pending and datetime.now(UTC) < deadline_at + timedelta(seconds=self.limit):
            return False
        return silence > self.limit

    async def _ask_for_letters(self) -> list[OpenLetter]:
        """Ask every service for the order's open dead letters, and print the new ones. Returns all of them."""
        answers = await open_letters(
            self.target.management_urls, Login(self.target.issuer, OPERATOR), self.order_id
        )
        found = [letter for letters in answers.values() for letter in letters or ()]
        for letter in found:
            if (letter.service, letter.id) not in self._told:
                self._told.add((letter.service, letter.id))
                self.teller.letter(letter)
        return found


async def times_of(target: Target, order_id: str) -> tuple[datetime, datetime]:
    """When the order was placed, and its deadline. Raises UserError if there is no such order, or no answer."""
    url = f"{target.service_urls['orders']}/orders/{order_id}"
    try:
        async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
            response = await client.get(url, auth=Login(target.issuer, OPERATOR))
    except httpx.TransportError:
        raise UserError(f"{url} does not answer: is the shop up? See `shop status`.") from None
    if response.status_code == 404:
        raise UserError(f"There is no order {order_id}: `shop order` places one and prints its id.")
    try:
        body = response.raise_for_status().json()
        return datetime.fromisoformat(body["placed_at"]), datetime.fromisoformat(body["deadline_at"])
    except (httpx.HTTPStatusError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{url} answers {response.status_code} without an order: try again, or see `shop status`."
        ) from None


def _named(step: OrderStep) -> str:
    return f"{step.event} of {step.service}"


def _letter_as_json(letter: OpenLetter) -> dict[str, Any]:
    return {
        "service": letter.service,
        "id": letter.id,
        "state": letter.state,
        "reason": letter.reason,
        "type": letter.type or None,
        "key": letter.key,
        "since": letter.since.isoformat(),
    }
