"""One order as its page shows it: its records with their causes, and what is still to come after each of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shop_floor.memory import PENDING, PLACED, slim
from shop_floor.saga import still_to_come
from shop_observe.kafka_log import Entry
from shop_observe.timeline import COMPENSATIONS, ENDINGS, Step, detail_of, shown, steps_of
from shop_observe.trace_links import link_to, trace_id_of

SECRET = {"payment_token"}
"""Fields that stand for a card. They are neither shown nor exported."""
MOST_RECORDS = 64
LANES = ("orders", "inventory", "payments", "notifications")
"""The services that have a lane even if they have published nothing yet."""


def story_of(order_id: str, entries: Iterable[Entry], lacks: Sequence[str] = ()) -> dict[str, Any]:
    """The page of one order. `lacks` are sentences that say what could not be read."""
    own = places_once(entries)
    steps = steps_of(own, order_id)
    left_out = len(steps) - MOST_RECORDS
    lacks = [
        *lacks,
        *([f"Of {len(steps)} records the first {MOST_RECORDS} are shown."] if left_out > 0 else []),
    ]
    steps = steps[:MOST_RECORDS]
    events = [step.entry for step in steps]
    copies = _copies(own)
    good = [entry for entry in events if not entry.fault]
    return {
        "order_id": order_id,
        "known": bool(own),
        "state": state_of(good),
        "placed_at": str(_first(good, "placed_at")),
        "deadline_at": str(_first(good, "deadline_at")),
        "lanes": list(dict.fromkeys([*LANES, *(step.service for step in steps if step.service)])),
        "events": [_event(step, copies.get(step.entry.id, [])) for step in steps],
        "coming": [
            [coming.as_json() for coming in still_to_come(events[:number])]
            for number in range(1, len(events) + 1)
        ],
        "trace_link": link_to(trace_id_of(entry.traceparent) for entry in good),
        "lacks": list(lacks),
        "read_at": time.time(),
    }


def places_once(entries: Iterable[Entry]) -> list[Entry]:
    """The records, each place of the log once, without values that are too long to keep."""
    return list({entry.place: slim(entry) for entry in entries}.values())


def state_of(events: Sequence[Entry]) -> str:
    """PENDING, or the terminal state; UNKNOWN if neither the beginning nor an end was seen."""
    types = {entry.type for entry in events}
    ended = next((state for type_, state in ENDINGS.items() if type_ in types), "")
    return ended or (PENDING if PLACED in types else "UNKNOWN")


def _copies(entries: Iterable[Entry]) -> Mapping[str, list[str]]:
    """Event id → the places of its records. A second record is one that readers drop as a duplicate."""
    found: dict[str, list[str]] = {}
    for entry in sorted(entries, key=lambda one: (one.partition, one.offset)):
        found.setdefault(entry.id, []).append(entry.place)
    return found


def _first(events: Sequence[Entry], name: str) -> Any:
    return next((entry.data[name] for entry in events if name in entry.data), "")


def _event(step: Step, places: Sequence[str]) -> dict[str, Any]:
    entry = step.entry
    return {
        "id": shown(entry.id, 80),
        "service": step.service,
        "event": step.event,
        "type": shown(entry.type, 120),
        "kind": kind_of(entry),
        "at": entry.moment.isoformat(),
        "after_ms": round(step.offset_ms, 1),
        "cause": step.cause,
        "cause_id": shown(entry.causation_id, 80),
        "detail": detail_of(entry),
        "places": list(places),
        "again": max(0, len(places) - 1),
        "data": without_secrets(entry.data),
    }


def kind_of(entry: Entry) -> str:
    """What an event is in its saga: step, ending, compensation, message, or foreign."""
    if entry.fault:
        return "foreign"
    if entry.type in ENDINGS:
        return "ending"
    name = entry.type.rpartition(".")[0]
    if name in COMPENSATIONS:
        return "compensation"
    return "message" if name == "notifications.notification-sent" else "step"


def without_secrets(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: "(not shown)" if name in SECRET else value for name, value in data.items()}
