"""Where a new schema of an event allows a message that a reader of the old schema does not expect.

`jsoncompat` decides whether two schemas are compatible, in the role of a serializer. It gives no place and no reason,
so the rules below say where and why. They also decide two things that jsoncompat does not know: `format`, and lists of
values that may grow (`x-extensible-enum`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsoncompat

from shop_contracts.texts import Schema

GROWING = "x-extensible-enum"
"""Marks an `enum` to which the owner may add values within a version."""
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
BESIDE = "send a new property beside it, and leave it out in a v2"
AS_IT_WAS = "leave it as it was, and send the other values in a new property or in a v2"


@dataclass(frozen=True, slots=True)
class Change:
    """A change that breaks readers. `place` is a path such as `total.currency` or `lines[].sku`; empty: the whole.

    `what` completes the sentence "<place> <what>"; `cure` completes "Way out: <cure>".
    """

    place: str
    what: str
    cure: str
    new_name: str = ""
    """The place to which it was renamed; empty if it was not."""


def changes(old: Schema, new: Schema) -> list[Change]:
    """The changes from a released schema to a newer one that break its readers; empty if there is none."""
    found = list(_changes(_Side(old), _Side(new), ""))
    if not found and not _compatible(old, new):
        found.append(Change("", "allows messages that its released schema refuses", AS_IT_WAS))
    return found


def _compatible(old: Schema, new: Schema) -> bool:
    return jsoncompat.check_compat(_for_jsoncompat(old), _for_jsoncompat(new), "serializer")


def _for_jsoncompat(schema: Schema) -> str:
    """A schema as jsoncompat takes it: without its name, which is no JSON pointer, and with open lists of values."""
    return json.dumps(_without_lists({name: part for name, part in schema.items() if name != "$id"}))


def _without_lists(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_lists(one) for one in part]
    if not isinstance(part, Mapping):
        return part
    left_out = {"enum"} if part.get(GROWING) else set()
    return {name: _without_lists(one) for name, one in part.items() if name not in left_out}


class _Side:
    """One part of a schema, with the definitions to which it may refer."""

    def __init__(self, part: Schema, definitions: Mapping[str, Schema] | None = None) -> None:
        self._definitions = part.get("$defs", {}) if definitions is None else definitions
        self.part = self._resolved(part)

    def _resolved(self, part: Schema) -> Schema:
        if "$ref" not in part:
            return part
        target = self._definitions[str(part["$ref"]).rpartition("/")[2]]
        return {**self._resolved(target), **{name: one for name, one in part.items() if name != "$ref"}}

    def child(self, part: Schema) -> _Side:
        return _Side(part, self._definitions)

    @property
    def properties(self) -> Mapping[str, Schema]:
        found: Mapping[str, Schema] = self.part.get("properties", {})
        return found

    @property
    def required(self) -> set[str]:
        return set(self.part.get("required", ()))

    @property
    def types(self) -> set[str]:
        types = self.part.get("type", ())
        return {types} if isinstance(types, str) else set(types)


def _changes(old: _Side, new: _Side, at: str) -> Iterator[Change]:
    yield from _values(old, new, at)
    yield from _limits(old, new, at)
    for name, part in old.properties.items():
        place = f"{at}.{name}" if at else name
        if name not in new.properties:
            new_name = _renamed(part, old, new)
            what = f"was renamed to `{new_name}`" if new_name else "was removed"
            yield Change(place, what, BESIDE, f"{at}.{new_name}" if at and new_name else new_name)
            continue
        if name in old.required and name not in new.required:
            yield Change(place, "may be absent", f"send it always; {BESIDE}")
        yield from _changes(old.child(part), new.child(new.properties[name]), place)
    if "items" in old.part and "items" in new.part:
        yield from _changes(old.child(old.part["items"]), new.child(new.part["items"]), f"{at}[]")


def _renamed(part: Schema, old: _Side, new: _Side) -> str:
    """The new name of a property that is gone; empty if no new property has its schema."""
    alike = [other for other in new.properties if other not in old.properties]
    renamed = [other for other in alike if _same(part, new.properties[other])]
    return renamed[0] if renamed else ""


def _same(one: Schema, other: Schema) -> bool:
    texts = ("description", "title")
    return {k: v for k, v in one.items() if k not in texts} == {
        k: v for k, v in other.items() if k not in texts
    }


def _values(old: _Side, new: _Side, at: str) -> Iterator[Change]:
    if old.types and not new.types <= old.types | ({"integer"} if "number" in old.types else set()):
        yield Change(at, f"was {_listed(old.types)} and is {_listed(new.types)}", BESIDE)
    if old.part.get("format") != new.part.get("format"):
        before, after = old.part.get("format", "none"), new.part.get("format", "none")
        yield Change(at, f"had the format {before} and has {after}", AS_IT_WAS)
    allowed = old.part.get("enum")
    if allowed is not None and not old.part.get(GROWING):
        more = [value for value in new.part.get("enum", ("any value",)) if value not in allowed]
        if more:
            cure = f"{AS_IT_WAS}. Only a list with `{GROWING}` may grow"
            yield Change(at, f"may have new values: {', '.join(map(str, more))}", cure)
        fewer = [value for value in allowed if value not in new.part.get("enum", allowed)]
        if fewer:
            what = f"lost values that stored messages may have: {', '.join(map(str, fewer))}"
            yield Change(
                at, what, "leave them in the list, and in the examples: new readers must read such a message"
            )
    if "const" in old.part and old.part["const"] != new.part.get("const"):
        yield Change(at, f"was always {old.part['const']}", AS_IT_WAS)
    if "pattern" in old.part and old.part["pattern"] != new.part.get("pattern"):
        yield Change(at, f"does not follow the pattern {old.part['pattern']} any more", AS_IT_WAS)


def _limits(old: _Side, new: _Side, at: str) -> Iterator[Change]:
    for name in UPPER:
        limit, now = old.part.get(name), new.part.get(name)
        if limit is not None and (now is None or now > limit):
            yield Change(at, f"had {name} {limit} and has {_shown(now)}", AS_IT_WAS)
    for name in LOWER:
        limit, now = old.part.get(name), new.part.get(name)
        if limit is not None and (now is None or now < limit):
            yield Change(at, f"had {name} {limit} and has {_shown(now)}", AS_IT_WAS)


def _shown(limit: Any) -> str:
    return "none" if limit is None else str(limit)


def _listed(types: set[str]) -> str:
    return " or ".join(sorted(types)) or "of any type"
