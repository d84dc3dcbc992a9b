"""Reads a pgbench script, so that what it does can be done step by step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = re.compile(r"(?<!:):([a-z]\w*)")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with `$1::text` parameters, and the variables that go into them."""

    text: str
    variables: tuple[str, ...]

    def arguments(self, values: Mapping[str, str]) -> list[str]:
        """The parameters' values, all of them text."""
        return [values[name] for name in self.variables]


def transactions(script: Path) -> dict[str, list[list[Statement]]]:
    """What the comment above it says → the transactions that follow, BEGIN and COMMIT left out."""
    found: dict[str, list[list[Statement]]] = {}
    name = ""
    for line in script.read_text().splitlines():
        if line.startswith("-- "):
            name = line.removeprefix("-- ")
        elif line == "BEGIN;":
            found.setdefault(name, []).append([])
        elif name in found and line and line != "COMMIT;":
            found[name][-1].append(statement(line.rstrip(";")))
    return found


def statement(text: str) -> Statement:
    """A statement of the script with its variables numbered."""
    names = tuple(dict.fromkeys(VARIABLE.findall(text)))
    numbered = VARIABLE.sub(lambda match: f"${names.index(match[1]) + 1}::text", text)
    return Statement(numbered, names)
