"""Markdown of the reference pages: tables, links, and the types of a schema in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from shop_contracts.fields import Field
from shop_contracts.texts import Schema


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty if it has no rows."""
    lines = [_line(cell(text) for text in row) for row in rows]
    return "\n".join([_line(headings), _line("---" for _ in headings), *lines]) if lines else ""


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def cell(text: str) -> str:
    """A text on one line, in which no sign ends the cell."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """A text as code."""
    return f"`{text}`"


def json_block(value: Any) -> str:
    """A value as a block of JSON."""
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```"


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub and the site make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def names(found: Collection[str], pages: Collection[str]) -> str:
    """Names in alphabetical order, each with a link if it has a page; a dash if there are none."""
    return ", ".join(f"[{name}]({name}.md)" if name in pages else name for name in sorted(found)) or "–"


def field_table(fields: Sequence[Field], readers: Callable[[str], str] | None = None) -> str:
    """The fields as a table. `readers`: place → the names of those who read it."""
    headings = ["Field", "Type", "Always there", *(["Read by"] if readers else []), "Meaning"]
    rows = [
        [
            code(field.place),
            in_words(field.schema) + (" or null" if field.nullable else ""),
            "yes" if field.required else "no",
            *([readers(field.place)] if readers else []),
            str(field.schema.get("description", "")),
        ]
        for field in fields
    ]
    return table(headings, rows)


def in_words(schema: Schema) -> str:
    """The type of a value, with its limits."""
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "enum" in schema:
        grows = ", and later others" if schema.get("x-extensible-enum") else ""
        return ", ".join(code(str(value)) for value in schema["enum"]) + grows
    kind = schema.get("type", "any value")
    kind = " or ".join(kind) if isinstance(kind, list) else str(kind)
    details = [str(schema["format"])] if "format" in schema else []
    if "pattern" in schema:
        details.append(code(schema["pattern"]))
    details += [limit for limit in (_limits(schema),) if limit]
    if "default" in schema and schema["default"] is not None:
        details.append(f"default {code(json.dumps(schema['default']))}")
    return f"{kind} ({', '.join(details)})" if details else kind


def _limits(schema: Schema) -> str:
    """`1 to 64 characters`, `at least 1`; empty if there is none."""
    for low, high, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ):
        least, most = _number(schema.get(low)), _number(schema.get(high))
        if least and most:
            return f"{least} to {most}{unit}"
        if least or most:
            return f"{'at least' if least else 'at most'} {least or most}{unit}"
    return ""


def _number(value: Any) -> str:
    """A number without an exponent; empty for None."""
    return "" if value is None else f"{int(value)}" if float(value).is_integer() else f"{value}"
