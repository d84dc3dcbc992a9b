"""The tables, columns and constraints that statements leave. It follows what a guard asks for, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from shop_contracts.migrations.columns import CONSTRAINT_WORDS, Column, column
from shop_contracts.migrations.sql import Statement, in_brackets, name_of, split, without

IF_EXISTS = ("if", "exists")
IF_NOT_EXISTS = ("if", "not", "exists")
KINDS = (
    ("materialized", "view"),
    ("view",),
    ("function",),
    ("procedure",),
    ("trigger",),
    ("type",),
    ("domain",),
    ("sequence",),
    ("schema",),
    ("policy",),
    ("rule",),
    ("extension",),
)
"""Kinds of objects, beside tables and indexes, that a release may use."""


@dataclass
class Tables:
    """What a database has."""

    columns: dict[str, dict[str, Column]] = field(default_factory=dict)
    """Table → column → what it is."""
    unique_indexes: dict[str, str] = field(default_factory=dict)
    """Index → its table."""
    objects: set[tuple[str, str]] = field(default_factory=set)
    """(kind, name)"""

    def add(self, statement: Statement) -> None:
        """Follow a statement that creates or changes something. Other statements change nothing here."""
        words = without(statement.words, ("create",), ("or", "replace"), ("unlogged",))
        if statement.starts("create") and words[:1] == ("table",):
            self._add_table(without(words[1:], IF_NOT_EXISTS))
        elif statement.starts("create", "unique", "index"):
            index, table = indexed(statement)
            self.unique_indexes[index] = table
        elif statement.starts("create") and (made := kind_of(words)):
            self.objects.add(made)
        elif statement.starts("alter", "table"):
            table, actions = altered(statement)
            for action in actions:
                self._alter(table, action)
        elif statement.starts("drop", "table"):
            for table in dropped(statement.words[2:]):
                self.columns.pop(table, None)

    def _add_table(self, words: tuple[str, ...]) -> None:
        table, rest = name_of(words)
        inside, _ = in_brackets(rest)
        parts = [part for part in split(inside) if part[0] not in (*CONSTRAINT_WORDS, "like")]
        self.columns[table] = {part[0]: column(part) for part in parts}

    def _alter(self, table: str, action: tuple[str, ...]) -> None:
        columns = self.columns.setdefault(table, {})
        if added := added_column(action):
            columns[added[0]] = column(added)
        elif action[:1] == ("drop",) and action[1:2] != ("constraint",):
            columns.pop(without(action[1:], ("column",), IF_EXISTS)[0], None)
        elif action[:2] == ("rename", "to"):
            self.columns[action[2]] = self.columns.pop(table)
        elif action[:1] == ("rename",) and action[1:2] != ("constraint",):
            old, _, new = without(action[1:], ("column",))[:3]
            columns[new] = columns.pop(old, Column(new))


def altered(statement: Statement) -> tuple[str, list[tuple[str, ...]]]:
    """(table, actions) of ALTER TABLE."""
    table, rest = name_of(without(statement.words[2:], IF_EXISTS, ("only",)))
    return table, list(split(without(rest, ("*",))))


def added_column(action: tuple[str, ...]) -> tuple[str, ...]:
    """The definition of the column that an action of ALTER TABLE adds; empty if it adds none."""
    if action[:1] != ("add",):
        return ()
    rest = without(action[1:], ("column",), IF_NOT_EXISTS)
    is_constraint = action[1:2] != ("column",) and rest[0] in CONSTRAINT_WORDS
    return () if is_constraint else rest


def dropped(words: tuple[str, ...]) -> list[str]:
    """The names that a DROP statement lists."""
    listed = without(words, ("concurrently",), IF_EXISTS)
    return [name_of(part)[0] for part in split(listed)]


def indexed(statement: Statement) -> tuple[str, str]:
    """(index, table) of CREATE INDEX. An index without a name has an empty one."""
    words = statement.words[statement.words.index("index") + 1 :]
    before = without(words, ("concurrently",), IF_NOT_EXISTS)
    at = before.index("on")
    table, _ = name_of(without(before[at + 1 :], ("only",)))
    return (name_of(before[:at])[0] if at else ""), table


def kind_of(words: Iterable[str]) -> tuple[str, str] | None:
    """(kind, name) of the object that the words name first; None if they name no object of KINDS."""
    rest = tuple(words)
    for kind in KINDS:
        if rest[: len(kind)] == kind:
            name, _ = name_of(without(rest[len(kind) :], IF_EXISTS, IF_NOT_EXISTS))
            return " ".join(kind), name
    return None
