"""The rules that a record must meet to be an event: the contracts' topics and schemas, as fast checks.

A record that breaks a rule is foreign. It is reported, and no invariant is judged by its content. The checks implement
the JSON Schema keywords that the contracts use, and ignore all others. A library for JSON Schema takes many times as
long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

if TYPE_CHECKING:
    from shop_observe.kafka_log import Entry
    from shop_observe.topics import Topic

Check = Callable[[Any], str]
"""Takes a value. Returns a description of the fault, or an empty text if there is none."""

KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "object": (dict,),
    "array": (list,),
    "boolean": (bool,),
    "null": (type(None),),
}


class Contract:
    """The checks of every declared event."""

    def __init__(self, contracts: Path, topics: Sequence[Topic]) -> None:
        self._topics = {topic.name: topic for topic in topics}
        self._checks = {type_: event_check(contracts, type_) for topic in topics for type_ in topic.events}

    def fault_of(self, entry: Entry) -> str:
        """Why a record is not an event; empty if it is one. On a topic without events no record has a fault."""
        topic = self._topics.get(entry.topic)
        if topic is None or not topic.events:
            return ""
        return envelope_fault(entry, topic) or self._data_fault(entry)

    def _data_fault(self, entry: Entry) -> str:
        try:
            data = orjson.loads(entry.value)
        except ValueError:
            return "its data is no JSON"
        if fault := self._checks[entry.type](data):
            return f"its data{fault}"
        key = data.get("order_id", data.get("sku"))
        is_its_key = key == entry.key or is_same_uuid(key, entry.key)
        return "" if is_its_key else f"its key is not that of its data, {key!r}"


def envelope_fault(entry: Entry, topic: Topic) -> str:
    """The fault in the headers or the key of a record; empty if there is none."""
    if entry.type not in topic.events:
        return f"ce_type {entry.type!r} is no event of this topic" if entry.type else "it has no ce_type"
    if entry.source != f"/{topic.owner}":
        return f"ce_source {entry.source!r} does not own the topic"
    if not is_uuid(entry.id) or entry.id != str(UUID(entry.id)):
        return f"ce_id {entry.id!r} is no UUID" if entry.id else "it has no ce_id"
    if not is_moment(entry.decided_at):
        return f"ce_time {entry.decided_at!r} is no time" if entry.decided_at else "it has no ce_time"
    if entry.subject and entry.subject != entry.key:
        return f"ce_subject {entry.subject!r} is not its key"
    return ""


def event_check(contracts: Path, type_: str) -> Check:
    """The check of an event type's data, built from its schema file."""
    name, _, version = type_.rpartition(".")
    file = Path("events") / name / f"{version}.schema.json"
    # The contracts of the orchestrated saga have commands and replies alone. Its events are those of the folder above.
    found = contracts / file if (contracts / file).exists() else contracts.parent / file
    schema = json.loads(found.read_text())
    return compiled(schema, schema.get("$defs", {}))


def compiled(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Check:
    """A JSON schema as a check. `definitions` are the schema's `$defs`."""
    if "$ref" in schema:
        return compiled(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    checks = [*kind_checks(schema), *text_checks(schema), *limit_checks(schema)]
    if "properties" in schema:
        properties = {name: compiled(part, definitions) for name, part in schema["properties"].items()}
        checks.append(object_check(schema.get("required", ()), properties))
    if "items" in schema:
        checks.append(array_check(compiled(schema["items"], definitions)))

    def check(value: Any) -> str:
        for one in checks:
            if fault := one(value):
                return fault
        return ""

    return check


def kind_checks(schema: Mapping[str, Any]) -> list[Check]:
    if "type" not in schema:
        return []
    names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    kinds = tuple(kind for name in names for kind in KINDS[name])
    may_be_bool = bool in kinds

    def check(value: Any) -> str:
        # In Python a bool is an int, too.
        right = isinstance(value, kinds) and (may_be_bool or not isinstance(value, bool))
        return "" if right else f" is no {' or '.join(names)}"

    return [check]


def text_checks(schema: Mapping[str, Any]) -> list[Check]:
    checks: list[Check] = []
    if "pattern" in schema:
        pattern = re.compile(schema["pattern"])
        # fullmatch, because `$` also matches before a newline at the end.
        checks.append(lambda value: "" if pattern.fullmatch(value) else f" does not match {pattern.pattern}")
    if schema.get("format") == "uuid":
        checks.append(lambda value: "" if value is None or is_uuid(value) else " is no UUID")
    if schema.get("format") == "date-time":
        checks.append(lambda value: "" if is_moment(value) else " is no time with a zone")
    return checks


def limit_checks(schema: Mapping[str, Any]) -> list[Check]:
    checks: list[Check] = []
    for suffix, measure in (("Length", len), ("Items", len), ("imum", int)):
        if (least := schema.get(f"min{suffix}")) is not None:
            checks.append(at_least(least, measure))
        if (most := schema.get(f"max{suffix}")) is not None:
            checks.append(at_most(most, measure))
    return checks


def at_least(least: int, measure: Callable[[Any], int]) -> Check:
    return lambda value: "" if measure(value) >= least else f" is less than {least}"


def at_most(most: int, measure: Callable[[Any], int]) -> Check:
    return lambda value: "" if measure(value) <= most else f" is more than {most}"


def object_check(required: Sequence[str], properties: Mapping[str, Check]) -> Check:
    def check(value: Any) -> str:
        for name in required:
            if name not in value:
                return f" has no {name}"
        for name, one in properties.items():
            if name in value and (fault := one(value[name])):
                return f".{name}{fault}"
        return ""

    return check


def array_check(item: Check) -> Check:
    def check(value: Any) -> str:
        for number, one in enumerate(value):
            if fault := item(one):
                return f"[{number}]{fault}"
        return ""

    return check


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID in any form: services read all of them in an event's data."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def is_same_uuid(text: str, key: str) -> bool:
    """Whether the text is a UUID whose canonical form is the key."""
    return is_uuid(text) and str(UUID(text)) == key


def is_moment(text: str) -> bool:
    """Whether the text is an ISO 8601 time with a time zone."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
