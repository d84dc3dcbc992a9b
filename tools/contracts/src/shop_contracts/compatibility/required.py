"""A new reader and an old message: a property may be required when no message without it exists any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from shop_contracts.compatibility.changes import Change
from shop_contracts.contracts import Topic
from shop_contracts.texts import ReleasedText, Schema

OPTIONAL = "x-optional"
"""Property → the date from which each message has it. It is in the schema of an event."""
BEYOND_RETENTION = timedelta(days=16)
"""How long a message outlives its topic's retention (docs/decisions/0020), and a day.

A segment lives for 7 days more, and a republish sends events that are up to 8 days old.
"""


def newly_required(
    text: ReleasedText, released: Sequence[ReleasedText], schema: Schema, topic: Topic, today: date
) -> Iterator[Change]:
    """The properties that today's schema requires, and that messages of a released text may lack.

    A property may become required if a released text gives it a date in `x-optional`, and the messages from before
    that date are gone on `today`. On a compacted topic they never are.
    """
    for name in sorted(set(schema.get("required", ())) - set(text.schema.get("required", ()))):
        dates = [day for one in released if (day := promised(one.schema, name))]
        if not dates:
            cure = (
                f"take it out of `required`, and list it in `{OPTIONAL}` with the date from which "
                "each message has it"
            )
            yield Change(name, "is required, and released messages lack it", cure)
        elif topic.cleanup_policy == "compact" or topic.retention_ms < 0:
            yield Change(
                name, "is required, and its topic keeps messages without it", f"leave it in `{OPTIONAL}`"
            )
        elif today < (gone := dates[-1] + timedelta(milliseconds=topic.retention_ms) + BEYOND_RETENTION):
            what = f"is required, and messages without it may exist until {gone}"
            yield Change(name, what, f"leave it in `{OPTIONAL}` until then")


def promised(schema: Schema, name: str) -> date | None:
    """The date from which each message has an optional property; None if `x-optional` has no date for it."""
    try:
        return date.fromisoformat(schema.get(OPTIONAL, {}).get(name))
    except (TypeError, ValueError):
        return None
