"""The shape of a message: everything that can decide whether a reader can read it.

Messages of one shape are read alike, so a reader is shown one of them. The shape has the names of the fields, the kind
of each value, and where a reader may have limits: the length of a text, the size of a number, the form of a time. The
value itself is part of it only where the schema lists values.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

Shape: TypeAlias = "str | tuple[Any, ...]"

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(?P<zone>Z|[+-]\d\d:\d\d)?")
WORD = re.compile(r"[a-z0-9_-]+")
CODE = re.compile(r"[A-Z]{3}")
LENGTHS = (0, 1, 64, 200, 500, 10_000, 240_000)
"""Limits of texts in the contracts and in the services; a text is as long as the first one that is not below it."""
NUMBERS = (-1, 0, 1, 100, 10_000, 2**31 - 1, 2**53, 10**18, 2**63 - 1)
"""The same for numbers."""
ITEMS = (0, 1, 100)
"""The same for the items of a list."""


def shape_of(value: Any, listed: Collection[str] = ()) -> Shape:
    """The shape of a JSON value. `listed` are the names of properties whose values the schema lists."""
    if isinstance(value, dict):
        return tuple((name, _of_property(name, value[name], listed)) for name in sorted(value))
    if isinstance(value, list):
        return ("list", _upto(len(value), ITEMS), *sorted({repr(shape_of(item, listed)) for item in value}))
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, bool):
        return f"is {value}"
    if isinstance(value, int):
        return f"integer {_upto(value, NUMBERS)}"
    return "null" if value is None else "number"


def _of_property(name: str, value: Any, listed: Collection[str]) -> Shape:
    if name in listed and isinstance(value, str):
        return f"={value[:100]}"
    return shape_of(value, listed)


def _of_text(text: str) -> str:
    length = _upto(len(text), LENGTHS)
    if UUID.fullmatch(text):
        return "uuid"
    if time := TIME.fullmatch(text):
        zone = time["zone"]
        return f"time {'without a zone' if zone is None else 'Z' if zone == 'Z' else 'with an offset'}"
    if CODE.fullmatch(text):
        return f"code {text}"  # of a currency: readers take those that are in use, and there are not many
    return f"{'word' if WORD.fullmatch(text) else 'text'} {length}"


def _upto(value: int, limits: tuple[int, ...]) -> str:
    return next((f"<={limit}" for limit in limits if value <= limit), "larger")


def listed_names(schema: Mapping[str, Any]) -> set[str]:
    """The properties of a schema, at any depth, whose values it lists."""
    names: set[str] = set()
    for key, part in schema.items():
        if key == "properties" and isinstance(part, dict):
            names |= {
                name
                for name, one in part.items()
                if isinstance(one, dict) and ("enum" in one or "x-extensible-enum" in one or "const" in one)
            }
        for child in part if isinstance(part, list) else [part]:
            if isinstance(child, dict):
                names |= listed_names(child)
    return names
