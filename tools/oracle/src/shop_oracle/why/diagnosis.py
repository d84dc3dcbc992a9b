"""Judges the facts: where an order stands, what it waits for, where that lies, and what cures it. It does no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from shop_observe.kafka_log import Entry
from shop_observe.missing_steps import OrderStep, missing_steps
from shop_observe.topics import partition_of
from shop_oracle.why.facts import Facts, Intent, Letter, OrderRow, OutboxRow, Place, Trouble
from shop_stack.stack import ISSUER, KAFKA, POSTGRES, PROCESSOR

LOST_SECONDS = 10.0
"""An event that a group has passed without handling it is lost, not on its way, when it is so old."""
OUTSIDE = {"charge": PROCESSOR, "refund": PROCESSOR}
"""Kind of an intent → the part that it calls. A message calls the issuer, which has the customers' addresses."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an order waits for."""

    where: str
    """Where it lies: an outbox row, a partition with its offset, a dead letter, an intent."""
    causes: Sequence[Trouble]
    """Why it goes no further; [] if no fault is seen, so that it is probably under way."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Why one order waits."""

    order_id: str
    order: OrderRow | None
    """None if orders has no such order, or if its database does not answer."""
    missing: Sequence[OrderStep]
    findings: Sequence[Finding]
    is_known: bool
    """Whether any service knows the order, or the database of one does not answer."""

    @property
    def is_held_up(self) -> bool:
        """Whether a fault holds the order up."""
        return any(finding.causes for finding in self.findings)

    @property
    def is_done(self) -> bool:
        """Whether every step has happened and every reader has handled every event."""
        return self.order is not None and not self.missing and not self.findings

    @property
    def troubles(self) -> list[Trouble]:
        """All causes, each once."""
        return list(dict.fromkeys(cause for finding in self.findings for cause in finding.causes))

    def as_json(self) -> dict[str, Any]:
        """The answer as JSON. Times are ISO 8601."""
        order = self.order
        return {
            "order_id": self.order_id,
            "state": order.state if order else None,
            "placed_at": order.placed_at.isoformat() if order else None,
            "deadline_at": order.deadline_at.isoformat() if order else None,
            "done": self.is_done,
            "held_up": self.is_held_up,
            "missing": [step._asdict() for step in self.missing],
            "findings": [asdict(finding) for finding in self.findings],
        }


def answer_of(facts: Facts, order_id: str) -> Answer:
    """Judge one order."""
    order = facts.orders.get(order_id)
    events = facts.events_of(order_id)
    # Without the first event the others were deleted too, after their retention.
    missing = missing_steps(_entry(row) for row in events) if events else []
    findings = [*_unreadable(facts), *_findings(facts, order_id, events)]
    if order and order.state == "PENDING" and order.deadline_at < facts.at:
        findings += [
            Finding(
                "orders has not cancelled it, although its deadline has passed", causes_in(facts, "orders")
            )
        ]
    if missing and not findings and (causes := causes_in(facts, missing[0].service)):
        findings = [Finding(f"{missing[0].event} of {missing[0].service} has not happened", causes)]
    is_known = order is not None or bool(events or findings)
    return Answer(order_id, order, missing, findings, is_known)


def _entry(row: OutboxRow) -> Entry:
    """The event of an outbox row in the form that `missing_steps` reads."""
    nothing = dict.fromkeys(("correlation_id", "causation_id", "traceparent"), "")
    return Entry(
        topic=row.topic,
        partition=0,
        offset=0,
        sent_ms=0,
        key=row.key,
        id=row.event_id,
        source=f"/{row.service}",
        type=row.type,
        decided_at=row.at.isoformat(),
        value=row.data.encode(),
        **nothing,
    )


def _unreadable(facts: Facts) -> Iterator[Finding]:
    """One finding for all databases that could not be read for the same reason."""
    by_trouble: dict[Trouble, list[str]] = {}
    for service, trouble in sorted(facts.databases.items()):
        by_trouble.setdefault(trouble, []).append(service)
    for trouble, services in by_trouble.items():
        yield Finding(f"what {', '.join(services)} knows of it cannot be read", [trouble])


def _findings(facts: Facts, order_id: str, events: Sequence[OutboxRow]) -> Iterator[Finding]:
    letters = [letter for letter in facts.letters if letter.key == order_id]
    for row in events:
        if row.aside or (row.is_unsent and not any(event == row.event_id for _, event in facts.inbox)):
            yield _unsent(facts, row)
        else:
            yield from _unread(facts, row, letters)
    for letter in letters:
        if letter.state == "HELD" or letter.event_id not in {row.event_id for row in events}:
            yield _letter(letter)
    for intent in facts.intents:
        if intent.order_id == order_id:
            yield _intent(facts, intent)


# --- Places ---------------------------------------------------------------------------------------


def _unsent(facts: Facts, row: OutboxRow) -> Finding:
    where = f"{row.type} is row {row.id} of the outbox of {row.service}, and is not sent to {row.topic}"
    match row.aside:
        case "REFUSED":
            cause = f"the broker does not accept row {row.id} ({row.error})"
            return Finding(
                where, [Trouble(row.service, cause, f"shop outbox send-again {row.service} --id {row.id}")]
            )
        case "GIVEN_UP":
            cause = f"an operator has given up row {row.id}: no reader ever gets it"
            return Finding(where, [Trouble(row.service, cause, "docs/runbooks/events-not-sent.md")])
        case "DELAYED":
            refused = [
                one for one in facts.events_of(row.key) if one.aside == "REFUSED" and one.topic == row.topic
            ]
            if refused:
                return Finding(where, _unsent(facts, refused[0]).causes)
            causes = causes_in(facts, row.service, KAFKA)
            delayed = Trouble(row.service, f"the relay tries row {row.id} again ({row.error})", "shop up")
            return Finding(where, causes or [delayed])
    return Finding(where, causes_in(facts, row.service, KAFKA))


def _unread(facts: Facts, row: OutboxRow, letters: Iterable[Letter]) -> Iterator[Finding]:
    """The readers that have not handled an event which was sent."""
    for group in facts.topics[row.topic].readers:
        is_done = (group, row.event_id) in facts.inbox or group in facts.databases
        if is_done or row.type not in facts.subscriptions.get(group, ()):
            continue
        own = [letter for letter in letters if (letter.service, letter.topic) == (group, row.topic)]
        if any(letter.state == "HELD" and letter.event_id == row.event_id for letter in own):
            continue  # reported as a letter
        yield _unread_by(facts, row, group, own)


def _unread_by(facts: Facts, row: OutboxRow, group: str, letters: Sequence[Letter]) -> Finding:
    name = f"{row.type} was sent, and {group} has not handled it"
    if held := [letter for letter in letters if letter.state == "HELD"]:
        return Finding(f"{name}: it waits behind dead letter {held[0].id}", _letter(held[0]).causes)
    partitions = facts.partitions.get(row.topic, facts.topics[row.topic].partitions)
    partition = partition_of(row.key.encode(), partitions)
    where = f"{name}: it is on {row.topic}[{partition}]"
    lag = facts.lags.get(Place(group, row.topic, partition))
    causes = causes_in(facts, group, KAFKA)
    if lag is None:
        return Finding(where, causes)
    where += f", where {group} has {lag.unread} messages unread from offset {lag.committed}"
    is_old = (facts.at - row.at).total_seconds() > LOST_SECONDS
    if not causes and not lag.unread and is_old:
        what = (
            f"{group} has read all that Kafka has, without this event: Kafka has lost it, or it was skipped"
        )
        causes = [Trouble(KAFKA, what, f"shop republish {row.service}")]
    return Finding(where, causes)


def _letter(letter: Letter) -> Finding:
    where = f"{letter.type or 'a record'} is dead letter {letter.id} of {letter.service} ({letter.state})"
    place = f"{letter.topic}[{letter.partition}]@{letter.offset}"
    what = f"{letter.service} could not handle {place} ({letter.reason}): see `shop dead-letters show"
    verb = "discard" if letter.state == "PARKED" else "redrive"
    which = f"--id {letter.id}" if letter.state == "PARKED" else f"--key {letter.key}"
    cure = f"shop dead-letters {verb} {letter.service} {which}"
    return Finding(where, [Trouble(letter.service, f"{what} {letter.service} {letter.id}`", cure)])


def _intent(facts: Facts, intent: Intent) -> Finding:
    noun = "attempt" if intent.attempts == 1 else "attempts"
    where = f"a {intent.kind} of {intent.service} is not done after {intent.attempts} {noun}"
    if intent.due_at is None:
        what = f"the {intent.kind} has failed ({intent.error})"
        return Finding(where, [Trouble(intent.service, what, "docs/runbooks/failed-messages.md")])
    seconds = (intent.due_at - facts.at).total_seconds()
    where += f"; the next one is in {seconds:.0f} s" if seconds > 0 else ""
    where += f" ({intent.error})" if intent.error else ""
    return Finding(where, causes_in(facts, intent.service, OUTSIDE.get(intent.kind, ISSUER)))


# --- Causes ---------------------------------------------------------------------------------------


def causes_in(facts: Facts, service: str, *needs: str) -> list[Trouble]:
    """Why a service does not do its work: a part that it needs, itself, its database, a lock, a failed check.

    A failed check counts only if no other cause is seen: it is most often the effect of one.
    """
    causes = [facts.parts[part] for part in (POSTGRES, *needs, service) if part in facts.parts]
    if service in facts.databases and facts.databases[service] not in causes:
        causes.append(facts.databases[service])
    causes += facts.locks.get(service, [])
    return causes or list(facts.unready.get(service, []))
