"""The minutes that a run has measured, in the runbooks: until an alert fired, and until it resolved."""

import re
from collections.abc import Mapping
from pathlib import Path

from tests.runbooks.pages import ROOT, alert_rules

PART = (
    "**Measured.** Minutes at the scale for practice, from the fault until the alert fires, and from the beginning of "
    "the cure until it resolves (`make test-alerts`): "
)
FIGURES = re.compile(r"`(Shopfloor\w+)` (\d+\.\d) and (\d+\.\d)")
Minutes = Mapping[str, tuple[float, float]]


def minutes_in(text: str) -> dict[str, tuple[float, float]]:
    """Alert → its two numbers in a page."""
    _, found, figures = text.rpartition(PART)
    matches = FIGURES.findall(figures) if found else []
    return {alert: (float(fires), float(resolves)) for alert, fires, resolves in matches}


def with_minutes(text: str, minutes: Minutes) -> str:
    """The page with these numbers. Those of other alerts stay."""
    known = dict(sorted({**minutes_in(text), **minutes}.items()))
    body = text.partition(PART)[0].rstrip("\n")
    figures = "; ".join(
        f"`{alert}` {fires:.1f} and {resolves:.1f}" for alert, (fires, resolves) in known.items()
    )
    return f"{body}\n\n{PART}{figures}.\n"


def pages_of(alerts: Mapping[str, object]) -> dict[Path, list[str]]:
    """The runbook of each alert → its alerts among these."""
    found: dict[Path, list[str]] = {}
    for rule in alert_rules():
        if rule["alert"] in alerts:
            found.setdefault(ROOT / rule["annotations"]["runbook"], []).append(rule["alert"])
    return found


def write(seconds: Minutes) -> None:
    """Write what was measured into the runbooks of the alerts. `seconds` has the two times of each alert."""
    minutes = {alert: (fires / 60, resolves / 60) for alert, (fires, resolves) in seconds.items()}
    for page, alerts in pages_of(minutes).items():
        page.write_text(with_minutes(page.read_text(), {alert: minutes[alert] for alert in alerts}))
