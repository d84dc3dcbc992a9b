"""The rules by which a reader must refuse a record.

They are not those of the services' code. The contract says how an event looks, and `contracts/consumers` says which
fields a reader reads. A reader may be stricter. It must not be laxer in what it reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from shop_lab.fuzz.draft import Draft
from shop_observe.contract import Check, Contract, compiled, envelope_fault
from shop_observe.kafka_log import Entry, to_entry
from shop_observe.raw_batches import RawRecord
from shop_observe.topics import Topic, declared_topics

KINDS = (bool, str, int, float, list, dict)


class Expected(NamedTuple):
    """What a reader reads of one event: an example with these fields alone, and the patterns of its texts."""

    example: Any
    patterns: Mapping[str, str]
    """Path, such as ``$.lines[*].sku`` → pattern."""
    least: Mapping[str, int]
    """Path → the least number of items."""


class Judged(NamedTuple):
    """What is known of a record before it is sent."""

    fault: str
    """Why it breaks its contract; empty if it is a valid event."""
    source: str
    id: str
    must_refuse: Mapping[str, str]
    """Reader → why it must refuse the record; empty if it may take it."""
    reads: frozenset[str]
    """The readers that read this type."""


@dataclass
class Rules:
    """The rules of every reader, from the folder of the contracts."""

    contracts: Path
    topics: Mapping[str, Topic] = field(init=False)
    contract: Contract = field(init=False)
    envelope: Check = field(init=False)
    """The check of the headers as one object."""
    expected: Mapping[tuple[str, str], Expected] = field(init=False)
    """(reader, type) → what the reader reads of it."""

    def __post_init__(self) -> None:
        topics = declared_topics(self.contracts)
        self.topics = {topic.name: topic for topic in topics}
        self.contract = Contract(self.contracts, topics)
        self.envelope = compiled(json.loads((self.contracts / "envelope.schema.json").read_text()), {})
        self.expected = expected_by(self.contracts)

    def judge(self, draft: Draft) -> Judged:
        """Judge a record before it is sent."""
        entry = entry_of(draft, self.contract)
        readers = draft.topic.readers
        return Judged(
            entry.fault or self._fault_of_headers(draft),
            entry.source,
            entry.id,
            {reader: self._why_refused(reader, entry, draft.value) for reader in readers},
            frozenset(reader for reader in readers if (reader, entry.type) in self.expected),
        )

    def _fault_of_headers(self, draft: Draft) -> str:
        """Why the headers break the contract; empty if they do not. Of a repeated header the last one counts."""
        try:
            headers = {name.decode(): value.decode() for name, value in draft.headers if value is not None}
        except UnicodeDecodeError:
            return "a header is not UTF-8"
        if "\x00" in "".join(headers.values()):
            return "a header has a NUL"
        fault = self.envelope(headers)
        return f"the headers{fault}" if fault else ""

    def _why_refused(self, reader: str, entry: Entry, value: bytes | None) -> str:
        if fault := envelope_fault(entry, self.topics[entry.topic]):
            return fault
        expected = self.expected.get((reader, entry.type))
        if expected is None:
            return ""
        if value is None:
            return "it has no value"
        try:
            data = json.loads(value, parse_constant=_refuse, parse_int=_short_int)
        except (ValueError, RecursionError):
            return "its data is no JSON"
        return broken("$", expected, expected.example, data)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _short_int(digits: str) -> int:
    """The number. Python refuses to read one of very many digits, which JSON allows: one of them is like another."""
    return int(digits[:1_000])


def entry_of(draft: Draft, contract: Contract) -> Entry:
    """A record as the oracle will read it."""
    headers = tuple((name.decode(errors="backslashreplace"), value) for name, value in draft.headers)
    return to_entry(RawRecord(draft.topic.name, 0, 0, 0, draft.key, draft.value, headers), contract)


def expected_by(contracts: Path) -> dict[tuple[str, str], Expected]:
    """(reader, type) → what it reads, from the Pact files of the consumers."""
    found = {}
    for file in sorted((contracts / "consumers").glob("*/*.json")):
        pact = json.loads(file.read_text())
        for one in pact["interactions"]:
            if one["type"] == "Asynchronous/Messages":
                rules = one.get("matchingRules", {}).get("body", {})
                found[pact["consumer"]["name"], one["description"]] = Expected(
                    one["contents"]["content"], _of_rules(rules, "regex"), _of_rules(rules, "min")
                )
    return found


def _of_rules(rules: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {path: one[name] for path, rule in rules.items() for one in rule["matchers"] if name in one}


def broken(path: str, expected: Expected, example: Any, data: Any) -> str:
    """Why the data lacks what the example has; empty if it has all of it."""
    if _kind(example) is not _kind(data):
        return f"{path} is no {_kind(example).__name__}"
    if isinstance(example, dict):
        for name, part in example.items():
            if name not in data:
                return f"{path} has no {name}"
            if fault := broken(f"{path}.{name}", expected, part, data[name]):
                return fault
    if isinstance(example, list):
        if len(data) < expected.least.get(path, 0):
            return f"{path} has too few items"
        return next(filter(None, (broken(f"{path}[*]", expected, example[0], item) for item in data)), "")
    if path in expected.patterns and not re.search(expected.patterns[path], data):
        return f"{path} does not match {expected.patterns[path]}"
    return ""


def _kind(value: Any) -> type:
    return next((kind for kind in KINDS if isinstance(value, kind)), type(None))
