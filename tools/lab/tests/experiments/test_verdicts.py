"""Each experiment's verdict, with a planted violation of everything that it is about."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shop_lab.experiments import open_transaction, overload, rebalances, replicas, republish, shutdown
from shop_lab.experiments.clients import Client
from shop_lab.experiments.memory import Memory
from shop_lab.experiments.outcome import Outcome, at_least, at_most
from shop_lab.experiments.overload import Pace, Rush
from shop_lab.experiments.shutdown import Ending
from shop_lab.experiments.stalls import Stall
from shop_load.open_loop import Sent
from shop_observe.history import Request
from shop_oracle import replay
from shop_oracle.evidence import Evidence, Order
from shop_oracle.invariants import Violation
from shop_oracle.report import Verdict, judge
from shop_stack.ports import SERVICES


def nothing_done() -> Evidence:
    return Evidence(reports=replay.reports([], {}))


@pytest.fixture
def green() -> Verdict:
    """The oracle holds: nothing was done, so nothing was violated."""
    return judge(nothing_done())


@pytest.fixture
def red() -> Verdict:
    """The oracle has found a key out of order."""
    verdict = judge(nothing_done())
    ruling = next(ruling for ruling in verdict.rulings if ruling.name == "no_key_is_out_of_order")
    ruling.judgement.violations.append(Violation("a key", "2 after 1", "1 after 2"))
    return verdict


def test_what_the_oracle_finds_decides_whatever_the_numbers_are(green: Verdict, red: Verdict) -> None:
    fine = [at_least("orders", 1, 1), at_most("seconds", 1, 2)]
    assert Outcome(fine, green).holds
    assert not Outcome(fine, red).holds
    assert not Outcome([*fine, at_most("seconds", 3, 2)], green).holds
    assert Outcome(fine, None).as_json()["oracle"] is None


@pytest.mark.parametrize(
    ("joined", "stalled", "holds"), [(200, 12.0, True), (199, 12.0, False), (200, 12.1, False)]
)
def test_too_few_joins_and_a_stall_that_is_too_long_are_seen(
    green: Verdict, joined: int, stalled: float, holds: bool
) -> None:
    outcome = rebalances.verdict_on(200, joined, Stall(stalled, "somewhere"), green, {})
    assert outcome.holds is holds


@pytest.mark.parametrize(("slowest", "holds"), [(9.9, True), (10.1, False)])
def test_a_share_that_is_taken_over_too_late_is_seen(green: Verdict, slowest: float, holds: bool) -> None:
    assert replicas.verdict_on([6.0, slowest], green, {}).holds is holds


def test_a_key_out_of_order_under_replicas_is_a_number_of_its_own(red: Verdict) -> None:
    outcome = replicas.verdict_on([6.0], red, {})
    assert {value.name: value.value for value in outcome.values}["keys out of order"] == 1
    assert not outcome.holds


@pytest.mark.parametrize(
    ("before", "with_it", "after", "holds"),
    [
        ([100], [90, 90, 90, 90], [100], True),
        ([100], [89, 89, 89, 89], [100], False),  # slower all the time
        ([100], [100, 100, 100, 100, 100, 100, 60, 60], [100], False),  # slower and slower
    ],
)
def test_a_relay_that_an_open_transaction_slows_down_is_seen(
    before: list[int], with_it: list[int], after: list[int], holds: bool
) -> None:
    found = {"before": before, "open": with_it, "after": after, "rows": 1_000}
    assert open_transaction.verdict_on(found).holds is holds


CALM = Rush(
    seconds=10.0,
    sent=Sent(asked=9_000, left=1_000, shed=8_000, vague=0),
    sought=100.0,
    tries=[Pace(90.0, 0.5), Pace(100.0, 0.5), Pace(110.0, 0.5)],
    goodput=Pace(80.0, 0.5),
    drained=60.0,
    memory=Memory([dict.fromkeys(SERVICES, 50.0)] * 9),
)


def test_a_rush_that_is_borne_holds(green: Verdict) -> None:
    assert overload.verdict_on(CALM, green).holds


@pytest.mark.parametrize(
    "rush",
    [
        replace(CALM, goodput=Pace(79.0, 0.5)),
        replace(CALM, goodput=Pace(100.0, 0.39)),  # on a machine that was faster meanwhile
        replace(CALM, tries=[Pace(101.0, 0.5)]),
        replace(CALM, drained=61.0),
        replace(CALM, sent=replace(CALM.sent, asked=1_000)),  # no rush at all
        replace(CALM, sent=replace(CALM.sent, shed=0)),
        replace(CALM, sent=replace(CALM.sent, vague=1)),
        replace(CALM, memory=Memory([dict.fromkeys(SERVICES, 50.0 + number) for number in range(40)])),
    ],
)
def test_a_rush_that_is_not_borne_is_seen(green: Verdict, rush: Rush) -> None:
    assert not overload.verdict_on(rush, green).holds


def test_a_rush_on_a_machine_that_was_slower_meanwhile_holds(green: Verdict) -> None:
    slow = replace(CALM, goodput=Pace(60.0, 0.67))
    outcome = overload.verdict_on(slow, green)
    assert outcome.holds
    assert outcome.detail["their share by the clock alone"] == 0.6


def test_memory_may_fill_in_the_beginning_and_not_grow_after_it() -> None:
    sizes = [10.0, 20.0, 30.0, 100.0, 100.0, 100.0, 100.0, 105.0, 103.0]
    memory = Memory([{"orders": size, "kafka": 2 * size} for size in sizes])
    assert memory.growth(["orders"]) == pytest.approx(5)
    assert memory.peak() == {"kafka": 210.0, "orders": 105.0}


@pytest.mark.parametrize(
    ("seconds", "again", "failures", "answers", "holds"),
    [
        (9.9, 500, 0, 1, True),
        (10.1, 0, 0, 1, False),
        (1.0, 501, 0, 1, False),
        (1.0, 0, 1, 1, False),
        (1.0, 0, 0, 0, False),  # nobody asked for anything
    ],
)
def test_an_end_that_takes_long_fails_requests_or_repeats_much_is_seen(
    green: Verdict, seconds: float, again: int, failures: int, answers: int, holds: bool
) -> None:
    crowd = [Client([1, 2], answers, Counter({"ConnectionResetError": failures}), refused=3)]
    endings = [Ending("orders", 0.5, {"payments": 0}), Ending("payments", seconds, {"orders": again})]
    assert shutdown.verdict_on(endings, crowd, green).holds is holds


@pytest.mark.parametrize(("state", "holds"), [("CONFIRMED", True), ("PENDING", False), (None, False)])
def test_an_order_that_was_taken_and_never_ended_is_lost(
    green: Verdict, state: str | None, holds: bool
) -> None:
    now = datetime.now(UTC)
    told = Request("run", 1, "place-order", "key", "", "confirmed", 0, 0.0, status=202, order_id="1")
    orders = {"1": Order("1", state, "", 1, "EUR", now, now, None, "")} if state else {}
    assert republish.verdict_on(Evidence(requests=[told], orders=orders), green, {}).holds is holds
