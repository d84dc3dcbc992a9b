"""Inventory reserves stock only for an order that payments can read, because only a payment ends the reservation."""

import importlib
import json
from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chassis.events import MAX_AMOUNT_MINOR, ConsumedEvent
from testkit.contracts import examples_of

PLACED = "orders.order-placed.v1"
(ORDER, *_) = examples_of(PLACED)
FIELDS = [(name,) for name in ORDER] + [("total", name) for name in ORDER["total"]]
GONE = object()
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([GONE, None, "XXX", "EUR", "", "a" * 501, [], {}, MAX_AMOUNT_MINOR + 1, 0.5, 10**20]),
    st.sampled_from(["2026-03-02T09:00:00", "2026-03-02", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]),
    st.integers(),
    st.booleans(),
    st.text(max_size=20),
)


def reads(service: str, order: dict[str, Any]) -> bool:
    model: type[ConsumedEvent] = (
        importlib.import_module(f"{service}.subscriptions").SUBSCRIPTIONS.by_type[PLACED].model
    )
    try:
        model.model_validate_json(json.dumps(order))
    except ValueError:
        return False
    return True


def test_both_read_the_example() -> None:
    assert reads("inventory", ORDER)
    assert reads("payments", ORDER)


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1, max_size=2))
def test_inventory_reads_no_order_that_payments_does_not_read(changes: dict[tuple[str, ...], Any]) -> None:
    order = deepcopy(ORDER)
    for path, value in changes.items():
        part = order["total"] if len(path) == 2 and isinstance(order.get("total"), dict) else order
        part[path[-1]] = value
        if value is GONE:
            del part[path[-1]]
    assert reads("payments", order) or not reads("inventory", order)
