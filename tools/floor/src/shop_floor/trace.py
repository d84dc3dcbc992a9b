"""The trace of one order, as `shop trace` reads it: the files of spans may be half a gigabyte."""

from __future__ import annotations

from typing import Any

from shop_floor import programs
from shop_observe.timeline import shown
from shop_stack.target import Target

MOST_SPANS = 400
MOST_CHARACTERS = 160
TEXTS = ("service", "name", "kind", "trace_id")
NUMBERS = ("depth", "start_ms", "ms")


async def of_order(target: Target, order_id: str) -> dict[str, Any]:
    """The spans of an order. Raises UserError if none was received."""
    return told(dict(programs.read(await programs.shop(target, "trace", order_id, "--json"))))


def told(trace: dict[str, Any]) -> dict[str, Any]:
    """A trace for the page: its spans from the top down. Foreign texts are shortened, and their number is limited."""
    spans = trace["spans"]
    return {
        "traces": len({span["trace_id"] for span in spans}),
        "link": trace.get("link", ""),
        "services": len({span["service"] for span in spans}),
        "count": len(spans),
        "spans": [span_of(span) for span in spans[:MOST_SPANS]],
        "ms": max((span["start_ms"] + span["ms"] for span in spans), default=0.0),
    }


def span_of(span: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: shown(str(span[name]), MOST_CHARACTERS) for name in TEXTS},
        **{name: max(0, float(span[name])) for name in NUMBERS},
        "failed": bool(span["failed"]),
    }
