"""A text to search for, in the forms in which programs write it."""

from __future__ import annotations

import json
import mmap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, quote_plus

SHORT_BYTES = 6
"""A text that is shorter occurs by chance: it is counted as a whole word only."""
WORD = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_")
AROUND = ((b'"', b'"'), (b"'", b"'"), (b" ", b" "), (b"=", b"&"), (b"=", b" "), (b":", b","))
"""The bytes around a short text in a file that is not text."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A text that is searched for. `label` names it in reports."""

    label: str
    text: str

    @property
    def forms(self) -> tuple[bytes, ...]:
        """The text in UTF-8, in JSON, and in a URL; each form once."""
        return _forms_of(self.text)

    @property
    def is_short(self) -> bool:
        return len(self.text.encode()) < SHORT_BYTES

    def count_in_text(self, content: bytes) -> int:
        """How often the text occurs in bytes that are mostly text. Upper and lower case of ASCII are equal."""
        folded = content.lower()
        return sum(self._count(folded, form.lower()) for form in self.forms)

    def count_in_binary(self, content: bytes | mmap.mmap) -> int:
        """How often the text occurs in a file of a database. A short text is found as a value, or in quotes."""
        forms = [form for each in self.forms for form in _as_values(each)] if self.is_short else self.forms
        return sum(_occurrences(content.find, form) for form in dict.fromkeys(forms))

    def _count(self, content: bytes, form: bytes) -> int:
        if not self.is_short:
            return content.count(form)
        found = 0
        position = content.find(form)
        while position >= 0:
            end = position + len(form)
            neighbours = content[max(0, position - 1) : position] + content[end : end + 1]
            found += WORD.isdisjoint(neighbours)
            position = content.find(form, position + 1)
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """A place that was searched."""

    name: str
    searched: int
    """How many records, rows or bytes it has."""
    unit: str
    hits: Mapping[str, int]
    """Label of the text → how many records or rows have it, or how often it is in a file."""
    where: Sequence[str] = ()
    """The first hits: a record, a table or a file."""

    @property
    def is_clean(self) -> bool:
        return not any(self.hits.values())


class Tally:
    """Counts the hits in one place."""

    def __init__(self, name: str, unit: str, wanted: Sequence[Wanted]) -> None:
        self._name = name
        self._unit = unit
        self._wanted = wanted
        self._hits: Counter[str] = Counter()
        self._where: dict[str, None] = {}
        self._searched = 0

    def look_at(self, record: bytes, where: str) -> None:
        """Search a record or a row. It counts as one hit of each text that it has."""
        self._searched += 1
        for wanted in self._wanted:
            self._note(wanted, min(1, wanted.count_in_text(record)), where)

    def look_through(self, content: bytes | mmap.mmap, where: str, is_text: bool) -> None:
        """Search a file. Each occurrence of a text is a hit."""
        self._searched += len(content)
        for wanted in self._wanted:
            found = wanted.count_in_text(content[:]) if is_text else wanted.count_in_binary(content)
            self._note(wanted, found, where)

    @property
    def place(self) -> Place:
        hits = {wanted.label: self._hits[wanted.label] for wanted in self._wanted}
        return Place(self._name, self._searched, self._unit, hits, tuple(self._where)[:5])

    def _note(self, wanted: Wanted, found: int, where: str) -> None:
        if found:
            self._hits[wanted.label] += found
            self._where[where] = None


@cache
def _forms_of(text: str) -> tuple[bytes, ...]:
    in_json = json.dumps(text)[1:-1]
    texts = (text, in_json, quote(text, safe=""), quote_plus(text))
    return tuple(dict.fromkeys(each.encode() for each in texts))


def _as_values(form: bytes) -> Sequence[bytes]:
    """A short text as PostgreSQL stores it, with its length in front, and in quotes and the like."""
    # A value of up to 126 bytes has a header of one byte: its length with the header, shifted by one, and a 1.
    header = bytes([(len(form) + 1) << 1 | 1])
    return (header + form, *(before + form + behind for before, behind in AROUND))


def _occurrences(find: Callable[[bytes, int], int], form: bytes) -> int:
    found = 0
    position = find(form, 0)
    while position >= 0:
        found += 1
        position = find(form, position + len(form))
    return found
