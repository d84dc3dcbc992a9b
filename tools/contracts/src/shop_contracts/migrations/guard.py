"""What a statement takes from a release that knows the tables as they were.

Statements that are not known here are findings, too: silence is not green.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

from shop_contracts.migrations.altered import broken_by_action, foreign_keys
from shop_contracts.migrations.rules import Break
from shop_contracts.migrations.sql import Statement, in_brackets, split, statements, without
from shop_contracts.migrations.tables import KINDS, Tables, altered, dropped, indexed, kind_of

HARMLESS = frozenset(
    {
        *("insert", "update", "delete", "select", "with", "set", "reset", "grant", "comment", "analyze"),
        *("lock", "begin", "commit", "vacuum", "reindex", "notify", "refresh"),
    }
)
"""Statements that change no table's form. What they do to rows is up to the review."""
CHANGES = frozenset(("alter", "drop", "create", "revoke", "truncate", "rename", "execute"))
"""Words of a DO block that may change a table's form."""


def breaks(before: Tables, changes: list[Statement]) -> list[Break]:
    """The changes that a release cannot live with whose tables are `before`. They remain as they are."""
    now = deepcopy(before)
    found: list[Break] = []
    for statement in changes:
        found += [Break(statement.line, rule, place) for rule, place in broken_by(statement, before, now)]
        now.add(statement)
    return found


def broken_by(statement: Statement, before: Tables, now: Tables) -> Iterator[tuple[str, str]]:
    """(rule, place) of each change of one statement. `now` is what the statements before it have left."""
    first = statement.words[0]
    if "concurrently" in statement.words:
        yield "concurrently", " ".join(statement.words[:4])
    if first == "create":
        yield from _created(statement, before)
    elif first == "drop":
        yield from _dropped(statement, before, now)
    elif first == "alter":
        yield from _altered(statement, before, now)
    elif first == "truncate":
        names = dropped(without(statement.words[1:], ("table",), ("only",)))
        yield from (("truncate", name) for name in names if name in before.columns)
    elif first == "revoke" or statement.starts("reassign"):
        yield "drop-right", " ".join(statement.words)
    elif first == "do":
        if CHANGES & {word for one in _bodies(statement) for word in one.words}:
            yield "hidden", f"line {statement.line}"
    elif first not in HARMLESS:
        yield "unknown", " ".join(statement.words[:4])


def _bodies(statement: Statement) -> list[Statement]:
    return [part for word in statement.words if word[:1] in "$'" for part in statements(_unquoted(word))]


def _unquoted(word: str) -> str:
    return word.strip("'") if word[0] == "'" else word[word.index("$", 1) + 1 : word.rindex("$", 0, -1)]


def _created(statement: Statement, before: Tables) -> Iterator[tuple[str, str]]:
    words = without(statement.words, ("create",))
    replaces = words[:2] == ("or", "replace")
    words = without(words, ("or", "replace"), ("unlogged",))
    if words[:1] == ("table",):
        for part in split(in_brackets(words)[0]):
            yield from foreign_keys(part, before)
    elif words[:2] == ("unique", "index"):
        index, table = indexed(statement)
        old = before.columns.get(table, {})
        if any(word in old for word in statement.words[statement.words.index("on") + 2 :]):
            yield "new-constraint", f"{table}.{index}"
    elif words[:1] == ("index",):
        return
    elif (made := kind_of(words)) is None:
        yield "unknown", " ".join(statement.words[:4])
    elif replaces and made in before.objects:
        yield "drop-object", f"{made[0]} {made[1]}"


def _dropped(statement: Statement, before: Tables, now: Tables) -> Iterator[tuple[str, str]]:
    words = statement.words[1:]
    if words[:1] == ("table",):
        yield from (("drop-table", name) for name in dropped(words[1:]) if name in before.columns)
    elif words[:1] == ("index",):
        names = [name for name in dropped(words[1:]) if name in before.unique_indexes]
        yield from (("drop-constraint", f"{before.unique_indexes[name]}.{name}") for name in names)
    elif words[:1] == ("owned",):
        yield "drop-right", " ".join(statement.words)
    elif (named := kind_of(words)) is None:
        yield "unknown", " ".join(statement.words[:4])
    elif named in before.objects or named not in now.objects:
        yield "drop-object", f"{named[0]} {named[1]}"


def _altered(statement: Statement, before: Tables, now: Tables) -> Iterator[tuple[str, str]]:
    words = statement.words
    if statement.starts("alter", "table"):
        table, actions = altered(statement)
        if table in before.columns:
            for action in actions:
                yield from broken_by_action(action, table, before, now)
        elif table not in now.columns:
            yield "unknown", " ".join(words[:4])
    elif statement.starts("alter", "index") and "rename" in words:
        return
    elif statement.starts("alter", "type") and "add" in words and "value" in words:
        yield "new-value", " ".join(words[:3])
    elif statement.starts("alter", "default", "privileges"):
        if "revoke" in words:
            yield "drop-right", " ".join(words)
    elif any(words[1 : 1 + len(kind)] == kind for kind in KINDS) and "rename" in words:
        kind, name = kind_of(words[1:]) or ("", "")
        yield "rename", f"{kind} {name}"
    else:
        yield "unknown", " ".join(words[:4])
