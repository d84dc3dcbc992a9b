"""The verdict on a drill: a cure is judged by orders and data, and destruction is named."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shop_chaos.drills import marks
from shop_chaos.drills.judging import Money, State, judge, money_of
from shop_chaos.drills.record import Drill, Watched
from shop_oracle.evidence import Evidence, Movement, Order

BEFORE = {"system": "1", "rows": {"orders": 10}, "records": {"orders.order.v1": 20}, "movements": 5}
DRILL = Drill(
    7,
    90.0,
    {"fault": "kill", "part": "payments", "cause": "down", "arguments": {"part": "payments"}},
    {},
    BEFORE,
    {},
    began=100.0,
    diagnosed=130.0,
    wrong_answers=1,
    hints=2,
)
SEEN = Watched(40, {"payments": 1}, bit=True, cured=150.5)
WHOLE: dict[str, Any] = {
    "is_in_force": False,
    "parts_away": (),
    "restarted": ("payments",),
    "lost": (),
    "complaint": "",
}


def ruled(watched: Watched = SEEN, **changes: Any) -> tuple[str, str]:
    """The verdict and its reasons as one text."""
    judgement = judge(DRILL, watched, 110.0, State(**WHOLE | changes), None)
    return judgement.ruling, " ".join(judgement.reasons)


def test_a_cure_that_leaves_everything_whole_is_cured_with_its_times() -> None:
    judgement = judge(DRILL, SEEN, 110.0, State(**WHOLE), Money({"CONFIRMED": 3}, 300, 0))
    assert (judgement.ruling, judgement.is_final) == ("cured", True)
    assert judgement.seconds == {"detect": 10.0, "diagnose": 30.0, "cure": 50.5}
    assert judgement.as_json()["money"] == {"orders": {"CONFIRMED": 3}, "charged": 300, "refunded": 0}
    assert (judgement.wrong_answers, judgement.hints) == (1, 2)


def test_without_a_diagnostic_command_the_answer_is_the_detection() -> None:
    assert judge(DRILL, SEEN, 0.0, State(**WHOLE), None).seconds["detect"] == 30.0


@pytest.mark.parametrize(
    ("changes", "ruling", "reason"),
    [
        ({"is_in_force": True}, "not cured", "The fault is still in force: payments: down"),
        ({"parts_away": ("kafka",)}, "not cured", "kafka does not run."),
        ({"complaint": "not at rest: 3 orders PENDING"}, "not cured", "3 orders PENDING"),
        ({"lost": ("5 rows of orders were deleted.",)}, "destroyed", "5 rows of orders were deleted."),
        (
            {"restarted": ("inventory", "kafka", "orders", "payments")},
            "destroyed",
            "3 healthy parts were restarted (inventory, kafka, orders): the fault was in payments alone.",
        ),
        ({"restarted": ("inventory", "kafka", "payments")}, "cured", ""),
    ],
)
def test_a_fault_that_stays_and_a_cure_that_destroys_are_named(
    changes: dict[str, Any], ruling: str, reason: str
) -> None:
    found, reasons = ruled(**changes)
    assert (found, reason in reasons) == (ruling, True)


def test_a_fault_that_never_bit_makes_the_drill_vacuous() -> None:
    assert ruled(Watched(40, {}, bit=False, cured=101.0))[0] == "vacuous"


def test_data_that_is_gone_is_named() -> None:
    assert marks.losses(BEFORE, BEFORE) == []
    grown = {"system": "1", "rows": {"orders": 11}, "records": {"orders.order.v1": 21}, "movements": 6}
    assert marks.losses(BEFORE, grown) == []
    less = {"system": "1", "rows": {"orders": 9}, "records": {"orders.order.v1": 3}, "movements": 4}
    assert marks.losses(BEFORE, less) == [
        "1 rows of orders were deleted.",
        "The topic orders.order.v1 was deleted or emptied: it had 20 records.",
        "The card processor has lost its ledger.",
    ]
    assert marks.losses(BEFORE, {**less, "system": "2"}) == [
        "The databases were deleted and made anew: every order from before is gone."
    ]


def test_a_restart_is_seen_by_the_background_or_by_another_process() -> None:
    before = {"kafka": "1@1", "orders": "2@1", "payments": "3@1"}
    now = {"kafka": "9@5", "orders": "2@1", "payments": ""}
    assert marks.restarted({"payments": 2, "orders": 0}, before, now) == ["kafka", "payments"]


def test_the_money_of_a_drill_is_that_of_its_own_orders() -> None:
    def order(id_: str, at: float, state: str) -> Order:
        moment = datetime.fromtimestamp(at, UTC)
        return Order(id_, state, "", 100, "EUR", moment, moment, moment, "")

    evidence = Evidence(
        orders={each.id: each for each in (order("old", 10, "CONFIRMED"), order("new", 95, "CANCELLED"))},
        ledger=[
            Movement("charge", "1", "old", 100, "EUR"),
            Movement("charge", "2", "new", 250, "EUR"),
            Movement("refund", "2", "new", 250, "EUR"),
        ],
    )
    money = money_of(evidence, DRILL.started)
    told = json.dumps(judge(DRILL, SEEN, 110.0, State(**WHOLE), money).as_json()["money"])
    assert json.loads(told) == {"orders": {"CANCELLED": 1}, "charged": 250, "refunded": 250}
    assert money.sentence == "1 orders meanwhile: 1 CANCELLED; 2.50 EUR charged, 2.50 EUR refunded"
