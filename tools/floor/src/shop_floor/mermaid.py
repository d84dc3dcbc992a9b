"""One order as a sequence diagram in Mermaid, for a report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

OUTSIDE = "customer"
UNSAFE = re.compile(r"[^\w .,:+()/·-]")
"""Characters that Mermaid reads as its own, or that a foreign record may bring."""


def diagram(story: Mapping[str, Any]) -> str:
    """A sequence diagram: an arrow from the service of the cause to the service that published the event."""
    service_of = {event["id"]: event["service"] for event in story["events"]}
    lines = ["sequenceDiagram", f"    %% order {plain(story['order_id'])}: {plain(story['state'])}"]
    lines += [f"    participant {name(lane)}" for lane in (OUTSIDE, *story["lanes"])]
    for event in story["events"]:
        source = service_of.get(event["cause_id"], OUTSIDE)
        arrow = "--x" if event["kind"] == "foreign" else "-)"
        text = f"{plain(event['event'])} (+{event['after_ms']:,.0f} ms)"
        lines.append(f"    {name(source)}{arrow}{name(event['service'])}: {text}")
        if event["again"]:
            lines.append(f"    Note over {name(event['service'])}: {event['again']} more with the same id")
    for step in story["coming"][-1] if story["coming"] else []:
        lines.append(
            f"    Note over {name(step['service'])}: {plain(step['certainty'])} - {plain(step['event'])}"
        )
    return "\n".join(lines) + "\n"


def name(service: str) -> str:
    """A participant's name."""
    return re.sub(r"\W", "_", service)[:40] or "unknown"


def plain(text: str) -> str:
    """A text without characters that have a meaning in Mermaid."""
    return UNSAFE.sub(" ", text)[:120]
