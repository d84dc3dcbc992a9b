"""Records by hand: valid as the contract says, changed by path, or with exactly one named fault."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from shop_lab.experiments.foreign_inputs.events import topics_of
from shop_lab.hand_sent import DAMAGES, FAULTS, Changes, compose, event_of, fault_of, put
from shop_stack.errors import UserError

CONTRACTS = Path(__file__).parents[3] / "contracts"
FOR_READERS = {"nul-in-header", "header-name-not-text", "huge-version"}
"""Faults that the contract's checks do not see: a database or a client library refuses the record."""
TYPES = sorted(type_ for topic in topics_of(CONTRACTS).values() for type_ in topic.examples)


@pytest.mark.parametrize("type_", TYPES)
def test_each_event_of_the_contracts_can_be_sent_as_it_is(type_: str) -> None:
    made = compose(CONTRACTS, type_, Changes())
    assert fault_of(CONTRACTS, made.event) == ""
    assert made.event.headers[b"ce_subject"] == made.event.key
    assert made.event.id != compose(CONTRACTS, type_, Changes()).event.id


@pytest.mark.parametrize("kind", sorted(FAULTS.keys() - FOR_READERS))
def test_each_fault_makes_the_record_foreign(kind: str) -> None:
    for seed in range(4):
        made = compose(CONTRACTS, "order-placed", Changes(corrupt=kind), random.Random(seed))
        assert fault_of(CONTRACTS, made.event), kind
        assert made.event.topic == "orders.order.v1"


@pytest.mark.parametrize("kind", sorted(DAMAGES))
def test_damage_is_done_to_the_batch_and_not_to_the_event(kind: str) -> None:
    made = compose(CONTRACTS, "order-placed", Changes(corrupt=kind))
    assert fault_of(CONTRACTS, made.event) == ""
    assert made.event.value is not None
    assert kind == "wrong-checksum" or made.event.value not in made.batch


def test_a_path_changes_the_data_and_the_key_follows_its_field() -> None:
    sets = ["order_id=01985f0e-0000-7000-8000-000000000000", "lines.0.quantity=3", "payment_token=tok_flaky"]
    event = compose(CONTRACTS, "order-placed", Changes(sets=sets)).event
    assert event.data["lines"][0]["quantity"] == 3
    assert event.data["payment_token"] == "tok_flaky"
    key = b"01985f0e-0000-7000-8000-000000000000"
    assert (event.key, event.headers[b"ce_subject"], event.headers[b"ce_correlationid"]) == (key, key, key)


def test_an_example_is_chosen_by_its_name() -> None:
    event = compose(CONTRACTS, "order-cancelled", Changes(example="by-the-deadline")).event
    assert event.data["reason"] == "deadline"


def test_an_event_that_breaks_its_schema_is_sent_only_if_that_is_wanted() -> None:
    sets = ["lines.0.quantity=-1"]
    with pytest.raises(UserError, match=r"quantity is less than .*Send it all the same with --raw"):
        compose(CONTRACTS, "order-placed", Changes(sets=sets))
    event = compose(CONTRACTS, "order-placed", Changes(sets=sets, raw=True)).event
    assert event.data["lines"][0]["quantity"] == -1


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        (
            "order-paid",
            Changes(),
            "There is no event 'order-paid': choose one of inventory.product-listed.v1",
        ),
        ("payment-refunded", Changes(), "fits several events: choose one of payments.payment-refunded.v1"),
        ("order-placed", Changes(example="x"), "has no example 'x': choose one of confirmed-order"),
        ("order-placed", Changes(corrupt="x"), "There is no fault 'x': choose one of nul-in-header"),
        ("order-placed", Changes(sets=["quantity"]), "changes nothing: write it as path=value"),
        ("order-placed", Changes(sets=["lines.9.sku=x"]), "leads nowhere: before '9' there is"),
        ("order-placed", Changes(sets=["total.of.it=1"]), "leads nowhere: before 'of' there is amount_minor"),
        ("order-placed", Changes(sets=["customer_id.x.y=1"]), "before 'x' there is a single value"),
        ("order-placed", Changes(sets=["customer_id.x=1"]), "before 'x' there is a single value"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_with_the_cure(
    name: str, changes: Changes, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        compose(CONTRACTS, name, changes)


def test_a_whole_type_and_a_name_without_version_find_the_same_event() -> None:
    topics = topics_of(CONTRACTS)
    names = ("order-placed", "orders.order-placed", "orders.order-placed.v1")
    assert {event_of(topics, name)[1] for name in names} == {"orders.order-placed.v1"}


def test_the_last_name_of_a_path_may_be_new() -> None:
    data: dict[str, Any] = {"lines": [{"sku": "a"}]}
    put(data, "lines.0.note", "x")
    put(data, "lines.0", 7)
    assert data == {"lines": [7]}
