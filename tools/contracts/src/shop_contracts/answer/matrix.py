"""The answer: a matrix of everything that the release meets, and one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def without_ids(subject: str) -> str:
    """The subject of a row for people: requests that differ by an id only are the same one."""
    return ID.sub("{id}", subject)


class Verdict(StrEnum):
    """The outcome of one row."""

    YES = "yes"
    NO = "no"
    PENDING = "pending"
    """It fails, and the consumer has said that it does not block."""


@dataclass(frozen=True, slots=True)
class Row:
    """One event or API that the release and one counterpart share."""

    counterpart: str
    version: str
    """The version that runs; for stored messages their number."""
    direction: str
    """``reads it`` if the counterpart is the reader, ``is read`` if the release is."""
    subject: str
    """An event type, or method and path of a request."""
    verdict: Verdict
    since: str
    """The consumer's release that has read it first, or the time of the first message."""
    field: str = ""
    reason: str = ""
    way_out: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether the release can be deployed."""

    service: str
    version: str
    target: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    """Facts that do not decide, such as dead letters that no release can read."""

    @property
    def blocking(self) -> list[Row]:
        return [row for row in self.rows if row.verdict is Verdict.NO]

    @property
    def yes(self) -> bool:
        return not self.blocking

    @property
    def sentence(self) -> str:
        """Yes, or no with the first reason and the way out."""
        name = f"{self.service} {self.version}"
        if self.yes:
            return f"Yes: {name} can be deployed to {self.target}; {self._checked()}."
        first, *more = self.blocking
        rest = f" {len(more)} more {'row is' if len(more) == 1 else 'rows are'} red." if more else ""
        return (
            f"No: {name} cannot be deployed to {self.target}. {first.reason} Way out: {first.way_out}.{rest}"
        )

    def _checked(self) -> str:
        """Over what the answer was given, in a few words."""
        if not self.rows:
            return "it meets nothing that reads it or that it reads"
        counterparts = len({row.counterpart for row in self.rows})
        return f"all {len(self.rows)} rows of {counterparts} counterparts are compatible"

    def as_json(self) -> dict[str, Any]:
        """The answer for programs."""
        return {
            "service": self.service,
            "version": self.version,
            "target": self.target,
            "deployable": self.yes,
            "sentence": self.sentence,
            "rows": [asdict(row) for row in self.rows],
            "notes": list(self.notes),
        }


def sorted_rows(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows as a reader looks for them: by counterpart, direction and subject. Of equal rows, one is left.

    A consumer may have written down several answers of one request.
    """
    return tuple(
        sorted(dict.fromkeys(rows), key=lambda row: (row.counterpart, row.direction, row.subject, row.field))
    )
