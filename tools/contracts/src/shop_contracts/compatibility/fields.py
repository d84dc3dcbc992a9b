"""A JSON Schema as a list of its places: `total`, `total.amount_minor`, `lines[]`, `lines[].sku`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shop_contracts.texts import Schema
from shop_stack.errors import UserError

STRUCTURE = {"properties", "required", "items", "$defs", "x-optional"}
"""Keywords that say which places there are. All others say which values a place may have."""
NOTES = {"$schema", "$id", "$comment", "title", "description", "examples", "default", "deprecated"}
"""Keywords that change no value."""


@dataclass(frozen=True)
class Place:
    """One place of a schema. `values` are the keywords that limit its value, without those of the places below it."""

    values: Schema
    is_required: bool
    date: str = ""
    """Its date in `x-optional`; empty if it has none."""
    is_deprecated: bool = False


def places_of(schema: Schema) -> dict[str, Place]:
    """Name → place, each before those below it. The name of the whole event is empty.

    Raises UserError if a reference leads nowhere, or into itself.
    """
    return dict(_below("", schema, schema.get("$defs", {}), Place({}, is_required=True)))


def parent_of(place: str) -> str:
    """The place around a place: `total` of `total.amount_minor`, `lines` of `lines[]`."""
    if place.endswith("[]"):
        return place.removesuffix("[]")
    return place.rpartition(".")[0]


def resolved(node: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """A node without its reference. Keywords beside the reference win. Raises UserError."""
    seen = []
    while "$ref" in node:
        reference = str(node["$ref"])
        target = definitions.get(reference.removeprefix("#/$defs/"))
        if target is None or reference in seen:
            raise UserError(f"The reference {reference} of a schema leads nowhere: correct the schema.")
        seen.append(reference)
        node = {**target, **{name: value for name, value in node.items() if name != "$ref"}}
    return node


def _below(
    at: str, node: Schema, definitions: Mapping[str, Schema], known: Place, depth: int = 0
) -> Iterator[tuple[str, Place]]:
    if depth > 20:
        raise UserError(f"The schema contains itself at {at}: describe the event without recursion.")
    node = resolved(node, definitions)
    values = {name: value for name, value in node.items() if name not in STRUCTURE | NOTES}
    yield at, Place(values, known.is_required, known.date, bool(node.get("deprecated", False)))
    required = node.get("required", ())
    dates: Any = node.get("x-optional", {})
    for name, child in node.get("properties", {}).items():
        date = str(dates.get(name, "")) if isinstance(dates, Mapping) else ""
        place = f"{at}.{name}" if at else name
        yield from _below(place, child, definitions, Place({}, name in required, date), depth + 1)
    if isinstance(node.get("items"), Mapping):
        yield from _below(f"{at}[]", node["items"], definitions, Place({}, is_required=True), depth + 1)
