"""The saga's page says who reacts to what, and the services do exactly that."""

import importlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "sagas" / "place-order.md"
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
EVENT = re.compile(r"`([a-z]+\.[a-z-]+\.v\d+)`")
FUNCTION = re.compile(r"`(services/(\w+)/src/[\w/]+\.py)::(\w+)`")
REACTS = 3
"""Which cell of a row names the reactions: | step | event | who reacts | compensation |"""

Reaction = tuple[str, str]
"""(event type, `path::function`)"""


def documented(page: str) -> set[Reaction]:
    """The reactions in the table of the page."""
    found = set()
    for line in page.splitlines():
        cells = line.split("|")
        event = EVENT.search(cells[REACTS - 1]) if len(cells) > REACTS + 1 else None
        if event:
            found |= {(event[1], f"{path}::{name}") for path, _, name in FUNCTION.findall(cells[REACTS])}
    return found


def subscribed() -> set[Reaction]:
    """The reactions that the services' SUBSCRIPTIONS declare."""
    return {
        (event, f"services/{service}/src/{handler.__module__.replace('.', '/')}.py::{handler.__name__}")
        for service in SERVICES
        for event, (_, handler, _) in subscriptions_of(service).items()
    }


def subscriptions_of(service: str) -> Mapping[str, Any]:
    """Event type → subscription."""
    by_type: Mapping[str, Any] = importlib.import_module(f"{service}.subscriptions").SUBSCRIPTIONS.by_type
    return by_type


def differences(page: str) -> list[str]:
    written, real = documented(page), subscribed()
    faults = [
        f"{event} → {function} happens, and the table does not say so" for event, function in real - written
    ]
    faults += [
        f"the table says {event} → {function}, and no service does so" for event, function in written - real
    ]
    return sorted(faults)


def test_the_table_says_what_every_service_subscribes_to() -> None:
    assert differences(PAGE.read_text()) == []


def test_every_compensation_is_one_of_the_reactions() -> None:
    cells = [
        line.split("|")[-2] for line in PAGE.read_text().splitlines() if EVENT.search(line) and "|" in line
    ]
    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named <= {function.partition("::")[2] for _, function in subscribed()}


def test_the_page_can_be_read_at_a_glance() -> None:
    text = PAGE.read_text()
    assert len(text.splitlines()) <= 60
    assert text.count("```mermaid\nsequenceDiagram") == 1


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("::reserve_stock`", "::release_stock`", "happens, and the table does not say so"),
        ("| `orders.order-placed.v1`", "| `orders.order-confirmed.v1`", "and no service does so"),
        ("`services/payments/", "`services/billing/", "happens, and the table does not say so"),
    ],
)
def test_a_table_that_lies_is_seen(old: str, new: str, complaint: str) -> None:
    page = PAGE.read_text()
    assert old in page, f"the planted lie needs {old} in the page"
    assert any(complaint in fault for fault in differences(page.replace(old, new)))
