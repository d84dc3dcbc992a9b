"""One column of a statement: its type, NOT NULL, its default; and which change of a type only widens it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shop_contracts.migrations.sql import has, outside_brackets

CONSTRAINT_WORDS = ("constraint", "primary", "unique", "check", "foreign", "exclude")
"""A part of CREATE TABLE that begins with one of these is a constraint of the table."""
AFTER_TYPE = frozenset(
    {
        *("not", "null", "default", "primary", "unique", "check", "references", "generated"),
        *("constraint", "collate", "using", "storage", "compression"),
    }
)
SYNONYMS = {
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "int2": "smallint",
    "character varying": "varchar",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "float8": "double precision",
    "float4": "real",
    "bool": "boolean",
}
WIDER = {
    ("smallint", "integer"),
    ("smallint", "bigint"),
    ("integer", "bigint"),
    ("real", "double precision"),
    ("varchar", "text"),
}
"""(old, new): the driver reads and writes both in the same way, and each old value fits the new type."""
SIZED = re.compile(r"(varchar)(?: \( (\d+) \))?")


@dataclass(frozen=True, slots=True)
class Column:
    """A column as a statement defines it. An empty type is not known."""

    name: str
    type: str = ""
    required: bool = False
    """NOT NULL, or a part of the primary key."""
    filled: bool = False
    """It has a default, or is generated: an INSERT may leave it out."""


def column(words: Sequence[str]) -> Column:
    """The column that a part of CREATE TABLE, or ADD COLUMN, defines."""
    options = outside_brackets(words[1:])
    return Column(
        name=words[0],
        type=type_of(words[1:]),
        required=has(options, "not", "null") or has(options, "primary", "key"),
        filled=any(word in options for word in ("default", "generated")) or "serial" in type_of(words[1:]),
    )


def type_of(words: Sequence[str]) -> str:
    """The type at the beginning of the words, by the name that PostgreSQL prints."""
    parts = []
    for word in words:
        if word in AFTER_TYPE:
            break
        parts.append(word)
    text = " ".join(parts)
    for synonym, name in SYNONYMS.items():
        if text == synonym or text.startswith(f"{synonym} ("):
            return name + text.removeprefix(synonym)
    return text


def widens(old: str, new: str) -> bool:
    """Whether a change of type takes nothing from a program that knows the old type."""
    if old == new or (old, new) in WIDER:
        return True
    before = SIZED.fullmatch(old)
    after = SIZED.fullmatch(new)
    if before is None:
        return False
    if new == "text":
        return True
    # Without a size there is no limit.
    return after is not None and (
        after[2] is None or (before[2] is not None and int(after[2]) >= int(before[2]))
    )
