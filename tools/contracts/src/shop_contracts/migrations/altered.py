"""What one action of ALTER TABLE takes from a release that knows the table."""

from __future__ import annotations

from collections.abc import Iterator

from shop_contracts.migrations.columns import Column, column, type_of, widens
from shop_contracts.migrations.sql import has, in_brackets, name_of, without
from shop_contracts.migrations.tables import IF_EXISTS, Tables, added_column

Found = Iterator[tuple[str, str]]
"""(rule, place)"""
HARMLESS = (
    ("validate",),
    ("cluster",),
    ("set", "without", "cluster"),
    ("set", "("),
    ("reset", "("),
    ("replica", "identity"),
    ("rename", "constraint"),
    ("enable", "trigger"),
)
RIGHTS = (
    ("owner", "to"),
    ("enable", "row"),
    ("force", "row"),
)
HARMLESS_OF_A_COLUMN = (
    ("set", "default"),
    ("set", "statistics"),
    ("set", "storage"),
    ("set", "compression"),
    ("set", "("),
    ("reset", "("),
)


def broken_by_action(action: tuple[str, ...], table: str, before: Tables, now: Tables) -> Found:
    """(rule, place) of each change. `table` is one of `before`; `now` is what earlier statements have left."""
    first = action[0]
    if first == "add":
        yield from _added(action, table, before)
    elif first == "drop":
        yield from _dropped(action, table, before)
    elif first == "alter":
        yield from _column_altered(without(action, ("alter",), ("column",)), table, before, now)
    elif _begins(action, HARMLESS):
        return
    elif first == "rename":
        yield from _renamed(action, table, before)
    elif action[:2] == ("set", "schema"):
        yield "rename", table
    elif _begins(action, RIGHTS):
        yield "drop-right", f"ALTER TABLE {table} {' '.join(action)}"
    else:
        yield "unknown", f"ALTER TABLE {table} {' '.join(action[:3])}"


def _begins(words: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> bool:
    return any(words[: len(row)] == row for row in rows)


def _added(action: tuple[str, ...], table: str, before: Tables) -> Found:
    definition = added_column(action)
    if definition:
        yield from _column_added(definition, table, before)
        return
    words = without(action, ("add",))
    name = words[1] if words[0] == "constraint" else " ".join(words[:2])
    kind = words[2] if words[0] == "constraint" else words[0]
    if kind == "foreign":
        yield from foreign_keys(words, before)
        return
    # A row of the previous release has NULL or the default in each new column.
    concerns_old = any(word in before.columns[table] for word in words[2:])
    if concerns_old or kind == "primary" or has(words, "is", "not", "null"):
        yield "new-constraint", f"{table}.{name}"


def _column_added(definition: tuple[str, ...], table: str, before: Tables) -> Found:
    added = column(definition)
    place = f"{table}.{added.name}"
    if added.required and not added.filled:
        yield "required-column", place
    if "unique" in definition and "default" in definition:
        yield "new-constraint", place
    if "check" in definition:
        condition, _ = in_brackets(definition[definition.index("check") :])
        concerns_old = any(word in before.columns[table] for word in condition)
        if concerns_old or (has(condition, "is", "not", "null") and not added.filled):
            yield "new-constraint", place
    yield from foreign_keys(definition, before)


def foreign_keys(words: tuple[str, ...], before: Tables) -> Found:
    """A foreign key to a table of the previous release, whose DELETE it may refuse.

    `words` define a column or a constraint.
    """
    if "references" not in words:
        return
    target, rest = name_of(words[words.index("references") + 1 :])
    follows = has(rest, "on", "delete", "cascade") or has(rest, "on", "delete", "set", "null")
    if target in before.columns and not follows:
        name = words[1] if words[0] == "constraint" else words[0]
        yield "new-foreign-key", f"the foreign key {name} → {target}"


def _dropped(action: tuple[str, ...], table: str, before: Tables) -> Found:
    if action[1:2] == ("constraint",):
        yield "drop-constraint", f"{table}.{without(action[2:], IF_EXISTS)[0]}"
        return
    name = without(action[1:], ("column",), IF_EXISTS)[0]
    if name in before.columns[table]:
        yield "drop-column", f"{table}.{name}"


def _renamed(action: tuple[str, ...], table: str, before: Tables) -> Found:
    if action[1] == "to":
        yield "rename", table
        return
    name = without(action[1:], ("column",))[0]
    if name in before.columns[table]:
        yield "rename", f"{table}.{name}"


def _column_altered(words: tuple[str, ...], table: str, before: Tables, now: Tables) -> Found:
    name, change = words[0], words[1:]
    place = f"{table}.{name}"
    old = before.columns[table].get(name)
    present = now.columns.get(table, {}).get(name, Column(name))
    if _begins(change, HARMLESS_OF_A_COLUMN):
        return
    if change[:3] == ("set", "not", "null"):
        # An INSERT of the previous release leaves a new column out.
        if (old is None and not present.filled) or (old is not None and not old.required):
            yield "set-not-null", place
    elif change[:3] == ("drop", "not", "null"):
        if old is not None:
            yield "drop-not-null", place
    elif change[:2] == ("drop", "default"):
        if old is not None or present.required:
            yield "drop-default", place
    elif change[:1] == ("type",) or change[:3] == ("set", "data", "type"):
        wanted = type_of(without(change, ("set", "data"), ("type",)))
        if old is not None and not (old.type and widens(old.type, wanted)):
            yield "change-type", f"{place} ({old.type or 'unknown'} → {wanted})"
    else:
        yield "unknown", f"ALTER TABLE {table} ALTER {name} {' '.join(change[:2])}"
