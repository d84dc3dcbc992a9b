"""The faults of a cell are found, and those of the cells before it are not found again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shop_lab.skew.losses import ENDINGS, Known
from shop_load.closed_loop import Placed
from shop_load.plans import Plan, Scenario
from shop_oracle import replay
from shop_oracle.evidence import DeadLetter, Evidence, Order
from shop_oracle.invariants import Violation
from shop_oracle.report import Verdict, judge

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LETTER = DeadLetter("payments", ("orders.order.v1", 3, 7), "e1", "HandlerFailed")


def order(state: str, reason: str = "") -> Order:
    return Order("o1", state, reason, 100, "EUR", NOW, NOW, NOW, "")


def evidence(*orders: Order, letters: tuple[DeadLetter, ...] = ()) -> Evidence:
    return Evidence(
        orders={one.id: one for one in orders}, dead_letters=list(letters), reports=replay.reports([], {})
    )


def placed(scenario: Scenario) -> list[Placed]:
    return [Placed(Plan(scenario, "k1", "customer-001", (("MUG", 1),)), "o1")]


@pytest.fixture
def green() -> Verdict:
    return judge(Evidence(reports=replay.reports([], {})))


def violated(name: str, subject: str) -> Verdict:
    verdict = judge(Evidence(reports=replay.reports([], {})))
    ruling = next(ruling for ruling in verdict.rulings if ruling.name == name)
    ruling.judgement.violations.append(Violation(subject, "one", "two"))
    return verdict


def test_an_order_that_ends_as_its_customer_made_it_end_is_no_loss(green: Verdict) -> None:
    for scenario, states in ENDINGS.items():
        for state in states:
            assert Known().losses(placed(scenario), evidence(order(state)), green) == []


def test_every_scenario_has_its_endings() -> None:
    assert set(ENDINGS) == set(Scenario)


def test_an_order_that_ends_otherwise_has_failed(green: Verdict) -> None:
    found = Known().losses(placed(Scenario.CONFIRMED), evidence(order("CANCELLED", "deadline")), green)
    assert found == ["failed: order o1 is CANCELLED (deadline) and should be CONFIRMED"]


def test_an_order_that_has_not_ended_has_failed(green: Verdict) -> None:
    (found,) = Known().losses(placed(Scenario.DECLINED), evidence(order("PENDING")), green)
    assert "PENDING" in found


def test_a_dead_letter_is_a_loss_once(green: Verdict) -> None:
    known = Known()
    (found,) = known.losses([], evidence(letters=(LETTER,)), green)
    assert "payments could not handle a message at orders.order.v1[3]@7 (HandlerFailed)" in found
    assert known.losses([], evidence(letters=(LETTER,)), green) == []


@pytest.mark.parametrize(
    ("invariant", "kind"),
    [
        ("every_acknowledged_order_ends_once", "lost"),
        ("nothing_is_lost_between_services", "lost"),
        ("no_effect_happens_twice", "doubled"),
        ("money_is_conserved", "wrong"),
    ],
)
def test_a_violation_is_a_loss_of_its_kind_once(invariant: str, kind: str) -> None:
    known = Known()
    (found,) = known.losses([], evidence(), violated(invariant, "order o1"))
    assert found == f"{kind}: order o1: expected one, found two"
    assert known.losses([], evidence(), violated(invariant, "order o1")) == []
    assert len(known.losses([], evidence(), violated(invariant, "order o2"))) == 1


def test_work_that_did_not_end_is_a_loss() -> None:
    verdict = judge(Evidence(reports=replay.reports([], {}), unrest=["3 orders PENDING"]))
    assert Known().losses([], evidence(), verdict) == ["unfinished: 3 orders PENDING"]
