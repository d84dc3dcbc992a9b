"""What is still to come for an order: the table is the saga's page's, and each state has its steps."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from shop_floor.saga import SAGA, Move, still_to_come
from shop_stack.paths import repository
from tools.floor.tests.scenes import Order, captured, confirmed, declined, placed_order, refunded, sent

EVENT = re.compile(r"`[a-z]+\.([a-z-]+)\.v\d+`")
PUBLISHED = re.compile(r"`([A-Z]\w+?)(?:V\d+)?`")


def published_by_the_page(page: str) -> dict[str, set[str]]:
    """Event → the events that the page's table says are published because of it."""
    found: dict[str, set[str]] = {}
    for line in page.splitlines():
        cells = line.split("|")
        event = EVENT.search(cells[2]) if len(cells) > 5 else None
        if event and cells[1].strip() != "–":
            names = {re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower() for name in PUBLISHED.findall(cells[4])}
            found.setdefault(event[1], set()).update(names)
    return found


def differences(saga: Mapping[str, tuple[Move, ...]], page: str) -> list[str]:
    told, own = (
        published_by_the_page(page),
        {event: {move.event for move in moves} for event, moves in saga.items()},
    )
    return sorted(event for event in told.keys() | own.keys() if told.get(event) != own.get(event))


PAGE = (repository() / "docs/sagas/place-order.md").read_text()


def test_the_table_is_that_of_the_page() -> None:
    assert differences(SAGA, PAGE) == []


def test_a_step_that_is_missing_or_one_too_many_is_seen() -> None:
    assert differences({**SAGA, "stock-rejected": ()}, PAGE) == ["stock-rejected"]
    assert differences(SAGA, PAGE.replace("| `OrderRejected` |", "| `OrderLost` |")) == ["stock-rejected"]
    assert differences({**SAGA, "order-paid": ()}, PAGE) == ["order-paid"]


def told(order: Order) -> dict[str, list[str]]:
    """Certainty → `service event` of each step that is still to come."""
    found: dict[str, list[str]] = {}
    for step in still_to_come(order.entries):
        found.setdefault(step.certainty, []).append(f"{step.service} {step.event}")
    return found


def test_an_order_that_was_placed_owes_its_stock_and_may_be_cancelled() -> None:
    order = placed_order()
    steps = told(order)
    assert steps["owed"] == ["inventory stock-reserved", "inventory stock-rejected"]
    assert steps["possible"] == ["orders order-cancelled"]
    assert "payments payment-captured" in steps["then"]
    cancelled = next(step for step in still_to_come(order.entries) if step.certainty == "possible")
    assert cancelled.until == order.entries[0].data["deadline_at"]


def test_an_order_that_was_charged_owes_its_confirmation_and_no_rejection() -> None:
    steps = told(captured())
    assert steps["owed"] == ["orders order-confirmed"]
    assert "orders order-rejected" not in [step for steps in steps.values() for step in steps]


@pytest.mark.parametrize("order", [confirmed(), declined(), refunded()])
def test_an_order_with_every_step_owes_nothing(order: Order) -> None:
    assert told(order) == {}


def test_a_cancelled_order_whose_charge_is_unknown_may_still_be_charged_and_refunded() -> None:
    order = refunded()
    order.entries = order.entries[:5]
    assert told(order) == {
        "possible": ["payments payment-captured"],
        "then": ["payments payment-refunded", "notifications notification-sent"],
    }


def test_a_cancelled_order_that_was_charged_owes_the_refund_and_its_message() -> None:
    order = sent(captured().event("orders.order-cancelled.v1", 70, reason="customer"), "cancelled", 90, "")
    order.event("inventory.stock-released.v1", 80)
    assert told(order)["owed"] == ["payments payment-refunded", "notifications notification-sent (refunded)"]


def test_foreign_records_alone_owe_nothing() -> None:
    order = placed_order().foreign(3)
    order.entries = order.entries[1:]
    assert told(order) == {}
