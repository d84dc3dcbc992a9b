"""The invariants that hold at every moment: unfinished work does not violate them, and planted violations do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shop_oracle.evidence import Evidence, Movement
from shop_oracle.invariants.always import ALWAYS, LEDGER, LOG
from shop_oracle.looks import Look, judge


def violated(evidence: Evidence) -> list[str]:
    return [name for name, found in judge(evidence, []).violations.items() if found]


def test_clean_evidence_has_no_violation_and_all_are_judged(clean: Evidence) -> None:
    found = judge(clean, [])
    assert violated(clean) == []
    assert found.sentences == []
    assert len(found.violations) == len(ALWAYS)


def test_unfinished_work_violates_nothing(clean: Evidence) -> None:
    clean.orders = {
        order.id: replace(order, state="PENDING", ended_at=None) for order in clean.orders.values()
    }
    clean.messages = []
    clean.requests = []
    assert violated(clean) == []


def test_stock_that_does_not_add_up_is_seen(clean: Evidence) -> None:
    sku, product = next(iter(clean.products.items()))
    clean.products[sku] = replace(product, on_hand=product.on_hand + 1)
    assert violated(clean) == ["stock_always_adds_up"]


def test_a_second_charge_is_an_effect_twice_and_overcharges_the_order(clean: Evidence) -> None:
    charge = next(entry for entry in clean.ledger if entry.kind == "charge")
    clean.ledger.append(replace(charge, charge_id="another"))
    assert violated(clean) == ["no_effect_has_happened_twice", "no_order_is_overcharged"]


@pytest.mark.parametrize("kind", ["charge", "refund"])
def test_a_charge_above_the_worth_and_a_refund_above_the_charge_are_seen(clean: Evidence, kind: str) -> None:
    order = next(iter(clean.orders.values()))
    clean.ledger = [Movement(kind, "c", order.id, order.total_minor + 1, order.currency)]
    assert violated(clean) == ["no_order_is_overcharged"]


def test_a_charge_of_an_order_that_nobody_knows_is_left_to_the_judgement_at_rest(clean: Evidence) -> None:
    clean.ledger.append(Movement("charge", "c", "unknown", 1, "EUR"))
    assert violated(clean) == []


def test_a_key_out_of_order_is_seen(clean: Evidence) -> None:
    events = [entry for entry in clean.log.entries if entry.topic == "orders.order.v1"]
    first = next(entry for entry in events if entry.data["version"] == 1)
    last = max(entry.offset for entry in events)
    clean.log.entries.append(replace(first, id="00000000-0000-7000-8000-000000000001", offset=last + 1))
    assert "no_key_is_out_of_order" in violated(clean)


def test_an_invariant_whose_source_is_down_is_not_judged(clean: Evidence) -> None:
    assert set(judge(clean, ["inventory"]).violations) == {"no_order_is_overcharged"}
    assert set(judge(clean, [LOG]).violations) == {"stock_always_adds_up", "no_order_is_overcharged"}
    assert judge(clean, [LEDGER]).away == [LEDGER]
    assert Look({}, []).sentences == []
