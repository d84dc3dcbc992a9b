"""Whatever the order and however often events arrive, the facts are the same."""

import json
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from analytics.domain import Fact, join, join_by
from analytics.jobs import MODELS

ORDER = UUID("01980000-0000-7000-8000-00000000000a")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EUR = {"amount_minor": 2598, "currency": "EUR"}
LINES = [{"sku": "mug", "quantity": 2, "unit_price": {"amount_minor": 1299, "currency": "EUR"}}]


def fact(event_type: str, second: int, **data: Any) -> Fact:
    """The fact of an event of ORDER; every moment in it is START + `second`."""
    moment = (START + timedelta(seconds=second)).isoformat()
    verb = event_type.removesuffix(".v1").rpartition("-")[2]
    model = MODELS[event_type]
    told = json.dumps({"order_id": str(ORDER), f"{verb}_at": moment, **data})
    stated: Fact = model.model_validate_json(told).fact()  # type: ignore[attr-defined]
    return stated


PLACED = fact("orders.order-placed.v1", 0, version=1, lines=LINES, total=EUR)
RESERVED = fact("inventory.stock-reserved.v1", 1, version=1)
CAPTURED = fact("payments.payment-captured.v1", 2, version=2, amount=EUR)
TOLD = fact("notifications.notification-sent.v1", 4)
SAGAS: dict[str, list[Fact]] = {
    "confirmed": [
        PLACED,
        RESERVED,
        CAPTURED,
        fact("orders.order-confirmed.v1", 3, version=2),
        fact("inventory.stock-committed.v1", 4, version=2),
        TOLD,
    ],
    "out of stock": [
        PLACED,
        fact("inventory.stock-rejected.v1", 1, version=1),
        fact("orders.order-rejected.v1", 2, version=2),
        TOLD,
    ],
    "declined": [
        PLACED,
        RESERVED,
        fact("payments.payment-declined.v1", 2, version=2),
        fact("orders.order-rejected.v1", 3, version=2),
        fact("inventory.stock-released.v1", 4, version=2),
        TOLD,
    ],
    "cancelled after the capture": [
        PLACED,
        RESERVED,
        CAPTURED,
        fact("orders.order-cancelled.v1", 3, version=2),
        fact("inventory.stock-released.v1", 4, version=2),
        fact("payments.payment-refunded.v2", 5, version=3, refunded=EUR),
        fact("payments.payment-refunded.v1", 5, version=3, amount=EUR),
        TOLD,
        fact("notifications.notification-sent.v1", 6),
    ],
}
sagas = st.sampled_from(sorted(SAGAS)).map(SAGAS.__getitem__)


@given(st.data())
def test_any_order_and_any_repetition_of_a_saga_gives_the_same_facts(data: st.DataObject) -> None:
    saga = data.draw(sagas)
    repeated = data.draw(st.lists(st.sampled_from(saga)))
    arriving = data.draw(st.permutations(saga + repeated))
    assert reduce(join, arriving) == reduce(join, saga)


@given(st.data())
def test_joining_is_commutative_associative_and_idempotent(data: st.DataObject) -> None:
    saga = data.draw(sagas)
    a, b, c = (reduce(join, data.draw(st.lists(st.sampled_from(saga), min_size=1))) for _ in range(3))
    assert join(a, b) == join(b, a)
    assert join(a, join(b, c)) == join(join(a, b), c)
    assert join(a, a) == a


def test_the_state_with_the_greater_version_wins_from_either_side() -> None:
    confirmed = fact("orders.order-confirmed.v1", 3, version=2)
    for joined in (join(PLACED, confirmed), join(confirmed, PLACED)):
        assert (joined["order_state"], joined["order_version"]) == ("CONFIRMED", 2)
        assert joined["placed_at"] == START
        assert joined["total_minor"] == 2598


def test_the_customer_was_told_when_the_first_message_went_out() -> None:
    later = fact("notifications.notification-sent.v1", 9)
    assert join(later, TOLD) == join(TOLD, later) == TOLD


def test_both_versions_of_a_refund_say_the_same() -> None:
    first = fact("payments.payment-refunded.v1", 5, version=3, amount=EUR)
    assert fact("payments.payment-refunded.v2", 5, version=3, refunded=EUR) == first


def test_an_amount_that_comes_late_fills_in() -> None:
    saga = SAGAS["confirmed"]
    facts = reduce(join, reversed(saga))
    assert facts["currency"] == "EUR"
    assert json.loads(facts["lines"]) == [{"sku": "mug", "quantity": 2, "unit_price_minor": 1299}]


def test_facts_are_joined_row_by_row() -> None:
    other = {**PLACED, "order_id": UUID(int=7)}
    assert join_by("order_id", [PLACED, other, RESERVED]) == [join(PLACED, RESERVED), other]
