"""The fields of a JSON schema, as places with the part of the schema that describes each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from shop_contracts.texts import Schema


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `place` is a path such as `total.currency` or `lines[].sku`; `schema` has no reference at its top."""

    place: str
    schema: Schema
    required: bool
    nullable: bool


def fields_of(schema: Schema, definitions: Mapping[str, Schema] | None = None) -> list[Field]:
    """The fields of a schema, in its order, with the fields below each.

    `definitions`: name → schema, for references; without it those in the schema's own `$defs`.
    """
    return list(_fields(schema, schema.get("$defs", {}) if definitions is None else definitions, ""))


def resolved(part: Schema, definitions: Mapping[str, Schema]) -> tuple[Schema, bool]:
    """(the schema that a part stands for, whether null is a value, too).

    What stands beside a reference, such as a description, counts more than the same in the target.
    """
    beside: dict[str, Any] = dict(part)
    nullable = False
    while "$ref" in beside or "anyOf" in beside:
        if "$ref" in beside:
            target = definitions[str(beside.pop("$ref")).rpartition("/")[2]]
        else:
            choices = [choice for choice in beside["anyOf"] if choice.get("type") != "null"]
            nullable = nullable or len(choices) < len(beside["anyOf"])
            if len(choices) != 1:
                break
            del beside["anyOf"]
            target = choices[0]
        beside = {**target, **beside}
    return beside, nullable


def _fields(schema: Schema, definitions: Mapping[str, Schema], at: str) -> Iterator[Field]:
    whole, _ = resolved(schema, definitions)
    required = whole.get("required", ())
    for name, part in whole.get("properties", {}).items():
        place = f"{at}.{name}" if at else name
        inner, nullable = resolved(part, definitions)
        yield Field(place, inner, name in required, nullable)
        yield from _fields(inner, definitions, place)
    if "items" in whole:
        inner, nullable = resolved(whole["items"], definitions)
        yield Field(f"{at}[]", inner, True, nullable)
        yield from _fields(inner, definitions, f"{at}[]")
