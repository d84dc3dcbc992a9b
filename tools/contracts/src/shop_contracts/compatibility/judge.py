"""Whether an old reader accepts each value that a new text allows: asked of jsoncompat, which compares JSON Schemas.

jsoncompat 0.3.1 is an alpha version. It drops `format`, and it refuses a `$id` that is a URN. The rules on formats,
patterns and lists of values are in compare.py, and the tests of this file show each of these limits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jsoncompat import check_compat

from shop_contracts.compatibility.fields import NOTES
from shop_contracts.texts import Schema

BY_NAME = {"properties", "$defs", "patternProperties", "dependentSchemas"}
"""Keywords whose members are named by the schema's author. A property may be called `title` or `format`."""
LISTS = {"enum", "x-extensible-enum"}


def accepts(old: Schema, new: Schema) -> bool:
    """Whether each value that `new` allows is one that `old` allows. Raises ValueError if jsoncompat cannot compare."""
    return bool(check_compat(json.dumps(stripped(old)), json.dumps(stripped(new)), "serializer"))


def stripped(schema: Schema) -> dict[str, Any]:
    """A schema without notes, formats, patterns, lists of values and extensions, which jsoncompat does not judge."""
    return {
        name: _stripped(name, value)
        for name, value in schema.items()
        if name not in NOTES | LISTS | {"format", "pattern"} and not name.startswith("x-")
    }


def _stripped(name: str, value: Any) -> Any:
    if name in BY_NAME:
        return {each: stripped(child) if isinstance(child, Mapping) else child for each, child in value.items()}
    if isinstance(value, Mapping):
        return stripped(value)
    if isinstance(value, list):
        return [stripped(child) if isinstance(child, Mapping) else child for child in value]
    return value
