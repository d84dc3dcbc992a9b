"""The rules: what the previous release cannot live with, why, and the way out. It compares two catalogs.

N is the new release, N−1 the one before it. `shop deploy` migrates first and then replaces processes. Both run on the
new tables for a while. After a rollback N−1 runs on them alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from shop_contracts.migrations.catalog import Catalog, Thing

CONTRACT = "expand and contract: release code that no longer needs it first, and remove it with the release after that"
LATER = "release code that {first} first, and make this change with the release after that one"
RULES = {
    "drop": ("{before} may use it", CONTRACT),
    "rename": (
        "{before} knows it by its old name",
        "add the new one beside it, fill both, read the new one, and remove the old one a release later "
        "(docs/labs/independent-deploys)",
    ),
    "redefine": (
        "{before} was made for its old definition: it may write what the new one refuses, or read what it lacks",
        LATER.format(first="can live with both definitions"),
    ),
    "required-column": (
        "an INSERT of {before} leaves it out, and it is NOT NULL without a default",
        "give it a default, or allow NULL until {before} runs nowhere",
    ),
    "set-not-null": ("{before} may write NULL into it", LATER.format(first="always writes it")),
    "drop-not-null": (
        "the new code may write NULL into it, and {before} does not expect it",
        LATER.format(first="can read NULL"),
    ),
    "change-default": (
        "an INSERT of {before} may leave it out and rely on its default",
        LATER.format(first="writes it"),
    ),
    "change-type": (
        "{before} reads and writes it by its old type",
        "add a column of the new type beside it, fill both, and remove the old one a release later",
    ),
    "new-constraint": (
        "{before} may write rows that it refuses",
        LATER.format(first="writes only rows that fit"),
    ),
    "new-foreign-key": (
        "{before} may write or delete rows that it refuses",
        "write rows that fit first, give it ON DELETE CASCADE or SET NULL, or leave it out",
    ),
    "new-value": (
        "the new code may write it, and {before} does not know it",
        LATER.format(first="can read the value"),
    ),
}
"""Rule → (reason, way out). {before} is the previous release. The rule `drop` is shown with the kind: drop-column."""
INTEGERS = ("smallint", "integer", "bigint")


def breaks(before: Catalog, after: Catalog) -> set[tuple[str, str]]:
    """(rule, place) of each change that the release of `before` cannot live with. What is newer may change freely."""
    gone = {key for key, old in before.items() if _is_gone(old, after.get(key))}
    kept = {(thing.kind, thing.identity) for thing in after.values()}
    known = {(thing.kind, thing.identity) for thing in before.values()}
    found: set[tuple[str, str]] = set()
    for key, old in before.items():
        if _is_part(old, gone):
            continue
        if key not in gone:
            found.update(_changed(old, after[key]))
        elif key not in after and (old.kind, old.identity) in kept:
            found.add(("rename", old.name))
        else:
            found.add((f"drop-{old.kind}", old.name))
    for key, new in after.items():
        if key not in before and (new.kind, new.identity) not in known:
            found.update((rule, new.name) for rule in _added(new, before, after))
    return found


def _is_gone(old: Thing, new: Thing | None) -> bool:
    """Whether a thing is gone. A table or a column that was dropped and added again has lost its rows."""
    return new is None or (old.kind in ("table", "column") and old.identity != new.identity)


def _is_part(thing: Thing, gone: set[tuple[str, str]]) -> bool:
    """Whether a thing is a part of something that is gone: one finding is enough."""
    wholes = {(kind, thing.facts.get("of", "")) for kind in ("table", "type")}
    return not gone.isdisjoint(wholes | {("column", column) for column in thing.columns})


def _changed(old: Thing, new: Thing) -> Iterator[tuple[str, str]]:
    was, now = old.facts, new.facts
    if was.get("definition") != now.get("definition"):
        yield "redefine", old.name
    if old.kind == "column":
        if not _fits(was["type"], now["type"]):
            yield "change-type", f"{old.name} ({was['type']} → {now['type']})"
        if was["required"] != now["required"]:
            yield "set-not-null" if now["required"] else "drop-not-null", old.name
        if was["default"] != now["default"] and (
            was["default"] or now["default"].startswith("GENERATED ALWAYS")
        ):
            yield "change-default", old.name


def _added(new: Thing, before: Catalog, after: Catalog) -> Iterator[str]:
    facts = new.facts
    is_known = not {("table", facts.get("of")), ("type", facts.get("of"))}.isdisjoint(before)
    if new.kind == "value" and is_known:
        yield "new-value"
    elif new.kind == "column" and is_known and facts["required"] and not facts["default"]:
        yield "required-column"
    elif new.kind == "constraint":
        keeps_rows = facts.get("keeps_rows") and ("table", facts["references"]) in before
        if keeps_rows or (is_known and _refuses(new, before, after)):
            yield "new-foreign-key" if facts.get("references") else "new-constraint"


def _refuses(constraint: Thing, before: Catalog, after: Catalog) -> bool:
    """Whether a new constraint may refuse a row that leaves the new columns out."""
    new = [column for column in constraint.columns if ("column", column) not in before]
    if constraint.facts.get("check"):
        return len(new) < len(constraint.columns) or bool(constraint.facts["refuses_defaults"])
    # A key with a NULL in it collides with no other key, and refers to no row.
    has_null = any(not after["column", column].facts["default"] for column in new)
    return not has_null or bool(constraint.facts.get("nulls_collide"))


def _fits(old: str, new: str) -> bool:
    """Whether each value of the old type is one of the new type, and no program sees a difference."""
    if old == new or (old.startswith("character varying") and new in ("character varying", "text")):
        return True
    if old in INTEGERS and new in INTEGERS:
        return INTEGERS.index(old) < INTEGERS.index(new)
    shorter, longer = (re.fullmatch(r"character varying\((\d+)\)", name) for name in (old, new))
    return shorter is not None and longer is not None and int(shorter[1]) < int(longer[1])
