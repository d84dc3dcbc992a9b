"""Why a point is not reached under the load of these trials. A reason belongs to a module, or to a function in it."""

from __future__ import annotations

from tests.crash_points.points import Point

UNKNOWN = "no reason is known: extend the load in matrix.py, or add the reason to unreached.py"
REASONS: dict[str, str] = {}


def reason_of(point: Point) -> str:
    """The reason of the longest entry that the point's name begins with."""
    fitting = [place for place in REASONS if point.name.startswith(place)]
    return REASONS[max(fitting, key=len)] if fitting else UNKNOWN
