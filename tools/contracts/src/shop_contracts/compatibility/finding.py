"""Findings: the places where a contract of today breaks a promise that was released."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from shop_contracts.compatibility.rules import Rule


@dataclass(frozen=True)
class Change:
    """A change between two texts that a rule forbids. `place` is the property, empty for the whole event."""

    rule: Rule
    place: str
    found: str
    way_out: str = ""
    """A way out that is more exact than that of the rule."""


@dataclass(frozen=True)
class Readers:
    """The consumers of a place: those that read it by their expectations, and those that may read it."""

    certain: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    """They handle the event and have committed no expectation of it."""

    def __bool__(self) -> bool:
        return bool(self.certain or self.possible)


@dataclass(frozen=True)
class Finding:
    """One broken promise. `since` is the number of the released text that made it, 0 if no text was released."""

    name: str
    """The event's type, or the name of a shared text or of an HTTP API."""
    change: Change
    since: int
    readers: Readers = field(default_factory=Readers)

    @property
    def sentence(self) -> str:
        """The finding for people: where, what, who reads it, the rule, and the way out."""
        rule = self.change.rule
        place = f", {self.change.place}" if self.change.place else ""
        since = f" (released with text {self.since})" if self.since else ""
        return (
            f"{self.name}{place}{since}: {self.change.found}. {self.said_readers} Rule: {rule.says} "
            f"Way out: {self.change.way_out or rule.way_out}"
        )

    @property
    def said_readers(self) -> str:
        """The consumers as a sentence."""
        parts = []
        if self.readers.certain:
            parts.append(f"Read by {', '.join(self.readers.certain)}.")
        if self.readers.possible:
            names = ", ".join(self.readers.possible)
            parts.append(f"Perhaps read by {names}: no committed expectation says which fields.")
        return " ".join(parts) or "No consumer is known to read it; one outside of this repository may."

    @property
    def facts(self) -> dict[str, Any]:
        """The finding for programs."""
        return {
            "name": self.name,
            "field": self.change.place,
            "rule": self.change.rule.name,
            "found": self.change.found,
            "since_released_text": self.since,
            "consumers": list(self.readers.certain),
            "possible_consumers": list(self.readers.possible),
            "way_out": self.change.way_out or self.change.rule.way_out,
        }


@dataclass(frozen=True)
class Verdict:
    """The verdict on one text: `unchanged`, `compatible`, `incompatible`, `not released` or `withdrawn`."""

    name: str
    owner: str
    released: int
    """The number of the last released text, 0 if there is none."""
    word: str
    findings: tuple[Finding, ...] = ()

    @property
    def is_good(self) -> bool:
        return not self.findings

    @property
    def facts(self) -> dict[str, Any]:
        """The verdict for programs."""
        known = asdict(self) | {"findings": [finding.facts for finding in self.findings]}
        known["verdict"] = known.pop("word")
        return known
