"""Parses a pgbench script, so that its transactions can be executed one by one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = re.compile(r"(?<!:):([a-z]\w*)")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement with `$1::text` parameters, and the names of the variables that are their values."""

    text: str
    variables: tuple[str, ...]

    def arguments(self, values: Mapping[str, str]) -> list[str]:
        """The values of the parameters, all as text."""
        return [values[name] for name in self.variables]


def transactions(script: Path) -> dict[str, list[list[Statement]]]:
    """Comment of the script → the transactions below it, without BEGIN and COMMIT."""
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
    """A statement of the script whose variables are replaced by numbered parameters."""
    names = tuple(dict.fromkeys(VARIABLE.findall(text)))
    numbered = VARIABLE.sub(lambda match: f"${names.index(match[1]) + 1}::text", text)
    return Statement(numbered, names)
