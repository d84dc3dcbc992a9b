"""Each event of today against all of its released texts: `shop contracts check`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from shop_contracts.compatibility.changes import AS_IT_WAS, Change, changes
from shop_contracts.compatibility.required import faults_of_optional, newly_required
from shop_contracts.contracts import ENVELOPE, SHARED, Contracts
from shop_contracts.texts import Delivery, ReleasedText


@dataclass(frozen=True, slots=True)
class Finding:
    """A change that a reader of a released text does not survive, or a rule of contracts/ that is broken.

    `since` is the number of the first released text that it breaks; None if it breaks a rule of today's text.
    """

    event: str
    place: str
    since: int | None
    consumers: tuple[str, ...]
    what: str
    cure: str

    @property
    def sentence(self) -> str:
        """The finding in words: place, change, since when, who reads it, and the way out."""
        subject = f"`{self.place}` of {self.event}" if self.place else self.event
        since = "" if self.since is None else f", against released text {self.since}"
        names = ", ".join(self.consumers)
        readers = f" Readers: {names}." if names else " No consumer reads it."
        return f"{subject} {self.what}{since}.{readers} Way out: {self.cure}."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found for one event. `compared` is the number of released texts."""

    event: str
    compared: int
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """The verdict for programs."""
        found = [{**asdict(finding), "sentence": finding.sentence} for finding in self.findings]
        return {
            "event": self.event,
            "compared": self.compared,
            "holds": not self.findings,
            "findings": found,
        }


def check(contracts: Contracts, today: date | None = None) -> list[Verdict]:
    """The verdict on each event of today, on each that was released, and on the texts that all events share.

    `today` decides whether a property may be required by now; without it the day is that of the clock.
    Raises UserError if a file is missing or damaged.
    """
    types = list(contracts.events)
    gone = [type_ for type_ in contracts.released_types() if type_ not in types]
    day = today or date.today()
    return [_verdict(contracts, name, day) for name in (*types, *gone, *SHARED)]


def _verdict(contracts: Contracts, name: str, today: date) -> Verdict:
    released = contracts.released(name)
    first: dict[str, int] = {}
    # The first released text that is broken at a place counts: the later ones repeat it.
    findings = [
        _finding(contracts, text, change)
        for text in released
        for change in _against(contracts, text, today)
        if first.setdefault(change.place, text.number) == text.number
    ]
    optional = [finding for finding in _optional(contracts, name) if finding.place not in first]
    return Verdict(name, len(released), (*findings, *optional))


def _against(contracts: Contracts, text: ReleasedText, today: date) -> Iterator[Change]:
    """The changes since one released text."""
    if text.name in SHARED:
        yield from changes(text.schema, contracts.shared[text.name].schema)
        return
    topic = contracts.topic_of(text.name)
    if topic is None:
        if contracts.readers_of(text.name):
            yield Change("", "is on no topic any more", "publish it until no consumer reads it")
        return
    schema = contracts.events[text.name].schema
    found = changes(text.schema, schema)
    yield from found
    renamed = {change.new_name for change in found}
    required = newly_required(text, contracts.released(text.name), schema, topic, today)
    yield from (change for change in required if change.place not in renamed)
    if text.delivery is not None:
        yield from _delivery(text.delivery, topic.delivery)


def _delivery(old: Delivery, new: Delivery) -> Iterator[Change]:
    if old.topic != new.topic:
        yield Change("", f"moved from the topic {old.topic} to {new.topic}", "make it a v2 on the new topic")
    if old.key != new.key:
        yield Change("", f"had the key {old.key} and has {new.key}", "make it a v2 on a topic with that key")
    if new.partitions < old.partitions:
        what = f"had {old.partitions} partitions and has {new.partitions}"
        yield Change("", what, "keep the partitions: Kafka cannot take one away")
    if old.cleanup_policy != new.cleanup_policy:
        what = f"had the cleanup policy {old.cleanup_policy} and has {new.cleanup_policy}"
        yield Change("", what, AS_IT_WAS)


def _finding(contracts: Contracts, text: ReleasedText, change: Change) -> Finding:
    consumers = _consumers(contracts, text.name, change.place)
    return Finding(text.name, change.place, text.number, consumers, change.what, change.cure)


def _consumers(contracts: Contracts, name: str, place: str) -> tuple[str, ...]:
    """The consumers that read a place of an event, or a header, which is a place of the shared envelope."""
    if name == ENVELOPE:
        return tuple(
            consumer for consumer in contracts.consumers if _reads_header(contracts, consumer, place)
        )
    return () if name in SHARED else tuple(contracts.readers_of(name, place))


def _reads_header(contracts: Contracts, consumer: str, header: str) -> bool:
    """Whether a consumer reads a header of some event. Empty: any event."""
    expected = [one for of_provider in contracts.expectations(consumer).values() for one in of_provider]
    return any(one.is_event and (not header or header in one.headers) for one in expected)


def _optional(contracts: Contracts, name: str) -> Iterator[Finding]:
    """The rules of `x-optional` in the text of today."""
    text = contracts.events.get(name)
    for change in faults_of_optional(text.schema) if text is not None else ():
        yield Finding(name, change.place, None, (), change.what, change.cure)
