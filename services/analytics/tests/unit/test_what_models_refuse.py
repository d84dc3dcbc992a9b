"""A model takes what the tables can hold, and nothing else: the rest is a dead letter before anything is written."""

import json
from typing import Any

import pytest

from analytics.jobs import MODELS
from chassis.events import Undecodable, read_data
from testkit import received

EUR = {"amount_minor": 2598, "currency": "EUR"}
LINE = {"sku": "mug", "quantity": 2, "unit_price": EUR}
ORDER = {"order_id": "01980000-0000-7000-8000-00000000000a", "version": 1}
PLACED = (
    "orders.order-placed.v1",
    ORDER | {"lines": [LINE], "total": EUR, "placed_at": "2026-03-02T09:00:00Z"},
)
REFUNDED = ("payments.payment-refunded.v1", ORDER | {"amount": EUR})
PRICED = ("inventory.product-priced.v1", {"sku": "mug", "version": 1, "name": "Mug"})


def read(event: tuple[str, dict[str, Any]], **changed: Any) -> None:
    """As the inbox and a rebuild read it."""
    type_, data = event
    model = MODELS[type_]
    content = data | changed
    subject = str(content[model.key])
    envelope: Any = received(model.model_construct(), subject=subject)
    read_data(model, envelope._replace(data=json.dumps(content).encode()))


REFUSED = [
    (PRICED, {"version": 3_000_000_000}),
    (PRICED, {"version": 2**31}),
    (PRICED, {"version": 0}),
    (PRICED, {"name": "Mug\x00"}),
    (PRICED, {"sku": "mug\x00"}),
    (PRICED, {"sku": ""}),
    (PRICED, {"sku": "m" * 501}),
    (REFUNDED, {"amount": EUR | {"amount_minor": 2**63}}),
    (REFUNDED, {"amount": EUR | {"amount_minor": -1}}),
    (REFUNDED, {"version": 2**31}),
    (PLACED, {"total": EUR | {"amount_minor": 2**63}}),
    (PLACED, {"lines": []}),
    (PLACED, {"lines": [LINE | {"quantity": 2**63}]}),
    (PLACED, {"lines": [LINE | {"sku": "mug\x00"}]}),
    (PLACED, {"lines": [LINE | {"unit_price": EUR | {"amount_minor": 2**63}}]}),
    (PLACED, {"placed_at": "2026-03-02T09:00:00"}),
    (PLACED, {"placed_at": "0001-01-01T00:00:00+14:00"}),
    (PLACED, {"placed_at": "0001-01-01T00:00:00Z"}),
    (PLACED, {"placed_at": "9999-12-31T23:59:59.999999Z"}),
]


@pytest.mark.parametrize(("event", "changed"), REFUSED, ids=lambda it: str(it)[:60])
def test_what_a_column_cannot_hold_is_refused(
    event: tuple[str, dict[str, Any]], changed: dict[str, Any]
) -> None:
    read(event)
    with pytest.raises(Undecodable):
        read(event, **changed)


TAKEN = [
    (PRICED, {"version": 2**31 - 1, "sku": "m" * 500, "name": "M" * 200}),
    (REFUNDED, {"amount": EUR | {"amount_minor": 2**63 - 1}}),
    (REFUNDED, {"amount": EUR | {"amount_minor": 0}}),
    (PLACED, {"placed_at": "0001-01-01T00:00:00.000001Z"}),
]


@pytest.mark.parametrize(("event", "changed"), TAKEN, ids=lambda it: str(it)[:60])
def test_the_greatest_that_a_column_holds_is_taken(
    event: tuple[str, dict[str, Any]], changed: dict[str, Any]
) -> None:
    read(event, **changed)
