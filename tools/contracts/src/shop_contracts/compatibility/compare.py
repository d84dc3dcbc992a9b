"""The changes between a released text and the text of today that an old reader would not survive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from shop_contracts.compatibility import rules
from shop_contracts.compatibility.fields import Place, parent_of, places_of
from shop_contracts.compatibility.finding import Change
from shop_contracts.compatibility.judge import accepts
from shop_contracts.contracts import Topic
from shop_contracts.texts import Schema

Places = Mapping[str, Place]
BEYOND_RETENTION = timedelta(days=16)
"""How long a message outlives its topic's retention: a segment of 7 days, a republish of events that are 8 days old.

And a day, so that a check at noon and a message of midnight agree (docs/decisions/0020).
"""


def changes(old: Schema, new: Schema, dated: bool = True) -> list[Change]:
    """The forbidden changes from a released schema to that of today. `dated`: new properties need `x-optional`."""
    before = places_of(old)
    now = places_of(new)
    found = [
        *_gone(before, now),
        *_new(before, now, dated),
        *(change for place in before.keys() & now.keys() for change in _changed(place, before, now)),
    ]
    if not found and not accepts(old, new):
        found.append(Change(rules.WIDER, "", "the schema allows events that the released one refuses"))
    order = {place: number for number, place in enumerate([*before, *now])}
    return sorted(found, key=lambda change: order.get(change.place, 0))


def _gone(before: Places, now: Places) -> Iterator[Change]:
    """Properties that are not there any more; of a removed object only the object itself."""
    for place, was in before.items():
        if place in now or parent_of(place) not in now:
            continue
        found = f"`{place}` is gone"
        if twin := _twin(place, before, now):
            found += f", and `{twin}` is new and has the same schema: it was renamed in one step"
        yield Change(rules.REMOVED if was.is_required else rules.STILL_READ, place, found)


def _twin(place: str, before: Places, now: Places) -> str:
    """A new place beside a removed one with the same values; empty if there is none."""
    return next(
        (
            other
            for other, place_now in now.items()
            if other not in before
            and parent_of(other) == parent_of(place)
            and place_now.values == before[place].values
        ),
        "",
    )


def _new(before: Places, now: Places, dated: bool) -> Iterator[Change]:
    """Properties that messages of the released text do not have, and that the text of today requires."""
    for place, is_now in now.items():
        if place in before or parent_of(place) not in before:
            continue
        if is_now.is_required:
            yield Change(rules.NEEDS_DATE, place, f"`{place}` is new and required")
        elif dated and not is_now.date:
            yield Change(rules.NEEDS_DATE, place, f"`{place}` is new and has no date in `x-optional`")


def _changed(place: str, before: Places, now: Places) -> Iterator[Change]:
    was = before[place]
    is_now = now[place]
    if was.is_required and not is_now.is_required:
        yield Change(rules.MADE_OPTIONAL, place, f"`{place}` is not required any more")
    if is_now.is_required and not was.is_required:
        yield Change(rules.TOO_EARLY, place, f"`{place}` was optional and is required now")
    yield from _listed(place, was.values, is_now.values)
    forms = [name for name in ("format", "pattern") if was.values.get(name) != is_now.values.get(name)]
    for name in forms:
        # A form that is new is judged by the messages that were released (messages.py).
        if name in was.values:
            yield Change(rules.FORMAT, place, f"its {difference(name, was.values, is_now.values)}")
    if not accepts(was.values, is_now.values):
        yield Change(rules.WIDER, place, f"its {differences(was.values, is_now.values)}")


def _listed(place: str, was: Schema, is_now: Schema) -> Iterator[Change]:
    """Changes of a list of values: `enum` is closed, `x-extensible-enum` may grow."""
    old = listed(was)
    new = listed(is_now)
    if old is None:
        return
    if lost := [value for value in old if value not in (new or [])]:
        yield Change(rules.LIST_SHRANK, place, f"{_said(lost)} is not in its list any more")
    if "enum" not in was:
        return
    if "enum" not in is_now:
        yield Change(rules.LIST_GREW, place, "its closed list of values became open")
    elif more := [value for value in new or [] if value not in old]:
        yield Change(rules.LIST_GREW, place, f"{_said(more)} is new in its closed list of values")


def listed(values: Schema) -> list[Any] | None:
    """The values of a place that has a list, closed or open; None if it has none."""
    found: list[Any] | None = values.get("enum", values.get("x-extensible-enum"))
    return found


def _said(values: list[Any]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def differences(was: Schema, is_now: Schema) -> str:
    """The keywords that differ, each with both values."""
    names = [name for name in {**was, **is_now} if was.get(name) != is_now.get(name)]
    return ", ".join(difference(name, was, is_now) for name in names)


def difference(name: str, was: Schema, is_now: Schema) -> str:
    """One keyword with both values: `maximum 10 → 20`."""
    return f"{name} {was.get(name, 'none')} → {is_now.get(name, 'none')}"


def is_timely(place: str, promises: list[Schema], topic: Topic | None, today: date) -> Change | None:
    """None if an optional property may be required by now; else the reason why it may not.

    `promises` are the released schemas. The last date that one of them gives the property counts.
    """
    dates = [found.date for schema in promises if (found := places_of(schema).get(place)) and found.date]
    if not dates:
        return Change(rules.NEEDS_DATE, place, f"`{place}` is required, and no released text had a date for it")
    if topic is None or topic.cleanup_policy == "compact" or topic.retention_ms < 0:
        found = f"`{place}` is required now, and its topic keeps messages without it for ever"
        return Change(rules.TOO_EARLY, place, found, "Leave it in `x-optional`.")
    last = date.fromisoformat(dates[-1]) + timedelta(milliseconds=topic.retention_ms) + BEYOND_RETENTION
    if today >= last:
        return None
    found = f"`{place}` is required now, and messages without it may exist until {last}"
    return Change(rules.TOO_EARLY, place, found, f"Leave it in `x-optional` until {last}.")
