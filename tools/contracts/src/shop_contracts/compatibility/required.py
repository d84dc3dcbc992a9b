"""A new reader and an old message: a property may be required when no message without it exists any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from shop_contracts.compatibility.changes import Change
from shop_contracts.compatibility.objects import joined, objects
from shop_contracts.contracts import Topic
from shop_contracts.texts import ReleasedText, Schema

OPTIONAL = "x-optional"
"""Property → the date from which each message has it. It is in an object of an event's schema, beside `required`."""
A_DATE = "the day from which each message has it: 2026-12-01"
BEYOND_RETENTION = timedelta(days=16)
"""How long a message outlives its topic's retention (docs/decisions/0020), and a day.

A segment lives for 7 days more, and a republish sends events that are up to 8 days old.
"""


def newly_required(
    text: ReleasedText, released: Sequence[ReleasedText], schema: Schema, topic: Topic, today: date
) -> Iterator[Change]:
    """The properties that an object of today's schema requires, and that messages of a released text may lack.

    A property may become required if a released text gives it a date in `x-optional`, and the messages from before
    that date are gone on `today`. On a compacted topic they never are.
    """
    before = objects(text.schema)
    promises = [objects(one.schema) for one in released]
    for at, part in objects(schema).items():
        if at not in before:
            continue  # a new object, or one that a reader of the released text does not find as an object
        for name in sorted(set(part.get("required", ())) - set(before[at].get("required", ()))):
            dates = [day for one in promises if (day := promised(one.get(at, {}), name))]
            yield from _too_early(joined(at, name), dates, topic, today)


def _too_early(place: str, dates: Sequence[date], topic: Topic, today: date) -> Iterator[Change]:
    """The finding on a property that is required; none if no message without it exists any more."""
    if not dates:
        cure = f"take it out of `required`, and list it in `{OPTIONAL}` with the date from which each message has it"
        yield Change(place, "is required, and released messages lack it", cure)
    elif topic.cleanup_policy == "compact" or topic.retention_ms < 0:
        yield Change(
            place, "is required, and its topic keeps messages without it", f"leave it in `{OPTIONAL}`"
        )
    elif today < (gone := dates[-1] + timedelta(milliseconds=topic.retention_ms) + BEYOND_RETENTION):
        what = f"is required, and messages without it may exist until {gone}"
        yield Change(place, what, f"leave it in `{OPTIONAL}` until then")


def promised(part: Schema, name: str) -> date | None:
    """The date from which each message has an optional property of an object; None if `x-optional` has no date."""
    try:
        return date.fromisoformat(part.get(OPTIONAL, {}).get(name))
    except (TypeError, ValueError):
        return None


def faults_of_optional(schema: Schema) -> Iterator[Change]:
    """The entries of `x-optional` that break a rule, in each object of a schema, and each property in no list."""
    for at, part in objects(schema).items():
        optional = part.get(OPTIONAL, {})
        required = part.get("required", ())
        for name, since in optional.items():
            place = joined(at, name)
            if name not in part["properties"]:
                yield Change(place, f"is in `{OPTIONAL}` and is no property", "remove it there")
            if name in required:
                yield Change(place, f"is in `{OPTIONAL}` and in `required`", "remove it from one of them")
            if promised(part, name) is None:
                what = f"has {since!r} in `{OPTIONAL}`, which is no date"
                yield Change(place, what, f"write {A_DATE}")
        for name in sorted(set(part["properties"]) - set(required) - set(optional)):
            what = f"is neither in `required` nor in `{OPTIONAL}`"
            yield Change(joined(at, name), what, f"list it in `{OPTIONAL}` of its object with {A_DATE}")
