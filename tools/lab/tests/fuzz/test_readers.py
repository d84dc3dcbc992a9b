"""The rules by which a reader must refuse a record, with each kind of fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shop_lab.fuzz.draft import Draft
from shop_lab.fuzz.mutants import Contracts, Spec, make, read_contracts
from shop_lab.fuzz.readers import Rules
from shop_stack.paths import repository

CONTRACTS = repository() / "contracts"
PLACED = "orders.order-placed.v1"


@pytest.fixture(scope="module")
def contracts() -> Contracts:
    return read_contracts(CONTRACTS)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules(CONTRACTS)


@pytest.fixture
def placed(contracts: Contracts) -> Draft:
    """A valid order-placed event."""
    drafts = (make(contracts, Spec(1, number, ())).draft for number in range(1_000))
    return next(draft for draft in drafts if draft.type == PLACED)


def with_field(name: str, value: Any) -> Callable[[Draft], Draft]:
    return lambda draft: draft.with_data(draft.data | {name: value})


def without(name: str) -> Callable[[Draft], Draft]:
    return lambda draft: draft.with_data({one: v for one, v in draft.data.items() if one != name})


def test_each_event_is_valid_before_its_steps(contracts: Contracts, rules: Rules) -> None:
    for number in range(300):
        judged = rules.judge(make(contracts, Spec(4, number, ())).draft)
        assert (judged.fault, set(judged.must_refuse.values())) == ("", {""})
        assert judged.reads


@pytest.mark.parametrize(
    ("change", "refusing"),
    [
        (without("payment_token"), {"inventory", "payments"}),
        (without("lines"), {"inventory", "analytics"}),
        (with_field("lines", []), {"inventory", "analytics"}),
        (with_field("total", "twelve"), {"inventory", "payments", "analytics"}),
        (with_field("order_id", "no id"), {"inventory", "payments", "analytics"}),
        (with_field("version", "1"), {"analytics"}),
        (with_field("more", float("nan")), {"inventory", "payments", "analytics"}),
        (lambda draft: replace(draft, value=None), {"inventory", "payments", "analytics"}),
        (lambda draft: replace(draft, value=b"{"), {"inventory", "payments", "analytics"}),
    ],
)
def test_a_reader_must_refuse_data_that_lacks_what_it_reads(
    rules: Rules, placed: Draft, change: Callable[[Draft], Draft], refusing: set[str]
) -> None:
    judged = rules.judge(change(placed))
    assert judged.fault
    assert {reader for reader, why in judged.must_refuse.items() if why} == refusing


@pytest.mark.parametrize(
    "change",
    [
        lambda draft: draft.with_header(b"ce_id", b"no-uuid"),
        lambda draft: draft.with_header(b"ce_source", b"/payments"),
        lambda draft: draft.with_header(b"ce_time", b"yesterday"),
        lambda draft: draft.with_header(b"ce_type", b"foreign.unheard-of.v1"),
        lambda draft: draft.with_header(b"ce_id", None),
        lambda draft: replace(draft, key=b"another"),
        lambda draft: replace(draft, headers=()),
    ],
)
def test_each_reader_must_refuse_a_broken_envelope(
    rules: Rules, placed: Draft, change: Callable[[Draft], Draft]
) -> None:
    judged = rules.judge(change(placed))
    assert judged.fault
    assert all(judged.must_refuse.values())


@pytest.mark.parametrize("name", [b"ce_specversion", b"ce_dataschema", b"content-type"])
def test_a_header_that_no_reader_needs_may_be_missing_but_is_a_fault(
    rules: Rules, placed: Draft, name: bytes
) -> None:
    judged = rules.judge(replace(placed, headers=tuple(h for h in placed.headers if h[0] != name)))
    assert judged.fault
    assert not any(judged.must_refuse.values())


def test_a_field_too_many_is_valid(rules: Rules, placed: Draft) -> None:
    assert rules.judge(with_field("more", {"a": [1]})(placed)).fault == ""


def test_a_number_of_very_many_digits_is_json(rules: Rules, placed: Draft) -> None:
    data = json.dumps(placed.data)[:-1] + ', "more": ' + "9" * 10_000 + "}"
    assert not any(rules.judge(replace(placed, value=data.encode())).must_refuse.values())


def test_a_reader_that_does_not_read_a_type_may_pass_any_data_of_it(rules: Rules, placed: Draft) -> None:
    judged = rules.judge(replace(placed, value=b"{"))
    assert "notifications" not in judged.reads
    assert judged.must_refuse["notifications"] == ""
