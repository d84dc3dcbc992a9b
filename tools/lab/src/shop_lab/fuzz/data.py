"""Steps that change the data of an event. Most of them choose a place in the data, and break or reach a rule there."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple

from shop_lab.fuzz.draft import Change, Draft

DEEP = (40, 180, 250, 1_000, 20_000)
"""Levels of nesting. Parsers have limits of 200 to some thousand levels."""
HUGE = (2_000, 60_000, 900_000)
"""Characters of a text. A broker accepts records of 1 MiB."""
HUGE_WEIGHTS = (20, 5, 1)
MANY_ITEMS = (101, 2_000)
TEXTS = (
    "", " ", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "\u202e", "\ufeff", "\uffff", "é" * 65, "😀" * 30, "\r\n",
    "'; DROP TABLE orders; --", "../../etc/passwd", "${jndi:ldap://a}", "{{7*7}}", "null", "NaN", "-1", "1e400",
    "a" * 64, "a" * 65, "a" * 201, "a" * 501, "\\u0000", "\\", '"', "İ", "ß", "A" * 3, "eur", "EUR ", "XXX", "XTS",
)  # fmt: skip
IDS = (
    "", "not-a-uuid", "01980000-0000-7000-8000-00000000000A", "{01980000-0000-7000-8000-00000000000a}",
    "0198000000007000800000000000000a", "urn:uuid:01980000-0000-7000-8000-00000000000a",
    "00000000-0000-0000-0000-000000000000",
)  # fmt: skip
TIMES = (
    "", "yesterday", "2026-03-02", "2026-03-02T09:00:00", "2026-03-02 09:00:00Z", "2026-02-30T09:00:00Z",
    "2016-12-31T23:59:60Z", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59.999999Z", "10000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-03-02T09:00:00+25:00",
    "2026-03-02T09:00:00.123456789123Z", "1772442000", "٢٠٢٦-03-02T09:00:00Z", "2026-03-02t09:00:00z",
)  # fmt: skip
NUMBERS = (
    0, -1, -0.0, 1.0, 1.5, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**18, 10**18 + 1, 10**400,
    1e308, float("nan"), float("inf"), float("-inf"), True,
)  # fmt: skip
OTHERS: tuple[Any, ...] = (None, True, 0, 1.5, "seven", [], {}, [[]], {"a": {}})
"""A value of each JSON type."""
FIELDS = (
    "",
    "__proto__",
    "\x00",
    "ORDER_ID",
    "order_id ",
    "é",
    "😀",
    "\ud800",
    "$ref",
    "constructor",
    "a" * 1_000,
)


class Place(NamedTuple):
    """A value in the data: the object or array that has it, its name or index, and its schema."""

    holder: Any
    name: str | int
    schema: Mapping[str, Any]

    @property
    def value(self) -> Any:
        return self.holder[self.name]

    def put(self, value: Any) -> None:
        """Replace the value in place."""
        self.holder[self.name] = value


def places(data: Any, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[Place]:
    """Every value in the data, with the schema of it. A value that no schema describes has an empty one."""
    schema = _resolved(schema, definitions)
    if isinstance(data, dict):
        of_parts = schema.get("properties", {})
        parts = [Place(data, name, _resolved(of_parts.get(name, {}), definitions)) for name in data]
    elif isinstance(data, list):
        item = _resolved(schema.get("items", {}), definitions)
        parts = [Place(data, number, item) for number in range(len(data))]
    else:
        return
    for part in parts:
        yield part
        yield from places(part.value, part.schema, definitions)


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    return definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def wrong_type(draft: Draft, dice: random.Random) -> Draft:
    """A value of another JSON type somewhere."""
    return _somewhere(draft, dice, lambda place: dice.choice(OTHERS))


def odd_value(draft: Draft, dice: random.Random) -> Draft:
    """An unusual value of the right type somewhere: a text, an id, a time or a number."""

    def odd(place: Place) -> Any:
        form = place.schema.get("format", "")
        if form in ("uuid", "date-time"):
            return dice.choice(IDS if form == "uuid" else TIMES)
        return dice.choice(NUMBERS if isinstance(place.value, int | float) else TEXTS)

    return _somewhere(draft, dice, odd)


def at_bound(draft: Draft, dice: random.Random) -> Draft:
    """A value at a bound of its schema, or one beyond it."""

    def bound(place: Place) -> Any:
        schema, beyond = place.schema, dice.choice((0, 1))
        if "minimum" in schema or "maximum" in schema:
            return dice.choice((schema.get("minimum", 0) - beyond, schema.get("maximum", 2**63) + beyond))
        if isinstance(place.value, list) and place.value:
            return place.value * (schema.get("maxItems", 100) + beyond) if dice.random() < 0.3 else []
        if isinstance(place.value, str):
            return "a" * dice.choice(
                (max(0, schema.get("minLength", 0) - beyond), schema.get("maxLength", 500) + beyond)
            )
        return dice.choice(NUMBERS)

    return _somewhere(draft, dice, bound)


def missing(draft: Draft, dice: random.Random) -> Draft:
    """A field is missing, or an item of an array."""
    data = deepcopy(draft.data)
    found = list(places(data, draft.schema, draft.schema.get("$defs", {})))
    if found:
        place = dice.choice(found)
        del place.holder[place.name]
    return draft.with_data(data)


def extra(draft: Draft, dice: random.Random) -> Draft:
    """An object has a field that no schema names. By the contract the event is still valid."""
    data = deepcopy(draft.data)
    objects = [data, *(place.value for place in places(data, draft.schema, draft.schema.get("$defs", {})))]
    chosen = dice.choice([one for one in objects if isinstance(one, dict)])
    chosen[dice.choice(FIELDS) + dice.choice(("", "x"))] = dice.choice((*OTHERS, *TEXTS))
    return draft.with_data(data)


def other_data(draft: Draft, dice: random.Random) -> Draft:
    """The data is no object, or one without fields."""
    return draft.with_data(dice.choice(OTHERS))


def deep(draft: Draft, dice: random.Random) -> Draft:
    """A field that holds arrays or objects in each other. It is written as text, because encoders have a limit."""
    levels = dice.choice(DEEP)
    nested = (
        b"[" * levels + b"]" * levels if dice.random() < 0.5 else b'{"a":' * levels + b"1" + b"}" * levels
    )
    return _with_field(draft, dice, nested)


def huge(draft: Draft, dice: random.Random) -> Draft:
    """A field with a very long text: one of the schema, or one that no schema names."""
    (size,) = dice.choices(HUGE, HUGE_WEIGHTS)
    return _with_field(draft, dice, json.dumps(dice.choice("aé\x00") * (size // 6)).encode())


def many(draft: Draft, dice: random.Random) -> Draft:
    """An array with more items than any schema allows, or equal items."""
    count = dice.choice((2, *MANY_ITEMS))
    return _somewhere(
        draft, dice, lambda place: place.value * count if isinstance(place.value, list) else [1] * count
    )


def repeated_field(draft: Draft, dice: random.Random) -> Draft:
    """A field that occurs twice, with two values. JSON does not say which one counts."""
    name = dice.choice([*draft.data, "extra"])
    value = json.dumps(dice.choice(OTHERS)).encode()
    field = json.dumps(name).encode() + b": " + value
    body = (draft.value or b"{}").strip()
    changed = b"{" + field + b", " + body[1:] if dice.random() < 0.5 else body[:-1] + b", " + field + b"}"
    return replace(draft, value=changed)


def _somewhere(draft: Draft, dice: random.Random, new: Any) -> Draft:
    """A copy in which one value is replaced. The key field is as likely as any other one."""
    data = deepcopy(draft.data)
    found = list(places(data, draft.schema, draft.schema.get("$defs", {})))
    if found:
        place = dice.choice(found)
        place.put(new(place))
    return draft.with_data(data)


def _with_field(draft: Draft, dice: random.Random, text: bytes) -> Draft:
    """A copy in which one field of the data has this JSON text as value; the field may be a new one."""
    data = draft.data
    name = dice.choice([*data, "extra"])
    fields = {one: json.dumps(value).encode() for one, value in data.items()} | {name: text}
    joined = b", ".join(json.dumps(one).encode() + b": " + value for one, value in fields.items())
    return replace(draft, value=b"{" + joined + b"}")


DATA: Mapping[str, tuple[Change, int]] = {
    "a value of another type": (wrong_type, 6),
    "an unusual value": (odd_value, 10),
    "a value at a bound": (at_bound, 6),
    "a missing field": (missing, 4),
    "a field too many": (extra, 4),
    "many items": (many, 2),
}
"""Name → the step and its weight. The data is an object before and after each of them."""

WHOLE: Mapping[str, tuple[Change, int]] = {
    "other data": (other_data, 2),
    "deep data": (deep, 2),
    "huge data": (huge, 2),
    "a repeated field": (repeated_field, 2),
}
"""The same, of steps after which the data may be no object, or cannot be decoded. A mutant has at most one of them."""
