"""A canary is promoted if it is no worse than the running release, and withdrawn with the reason if it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shop_lab.canary.judgement import ENOUGH_MESSAGES, Decision, Seen, decide, fault

GOOD = Seen(messages=100, ages=(0.4,) * 50)
OTHERS = Seen(messages=120, ages=(0.5,) * 60)


def test_a_canary_that_is_no_worse_is_promoted() -> None:
    judgement = decide("orders 0.2.0", GOOD, OTHERS, 60)
    assert judgement.decision is Decision.PROMOTE
    assert judgement.reason.startswith(
        "orders 0.2.0 is promoted, because it handled 100 messages with 0 dead letters"
    )


@pytest.mark.parametrize(
    ("worse", "named"),
    [
        (replace(GOOD, dead_letters=3), "3 of its messages became dead letters"),
        (replace(GOOD, failed_tries=20), "17% of its tries"),
        (replace(GOOD, violations=1, first_violation="order o1: lost"), "order o1: lost"),
        (replace(GOOD, ages=(9.0,) * 50), "took up to 9.0 s"),
    ],
    ids=["dead letters", "retries", "violations", "age"],
)
def test_a_canary_that_is_worse_in_one_sign_is_withdrawn(worse: Seen, named: str) -> None:
    judgement = decide("orders 0.2.0", worse, OTHERS, 60)
    assert judgement.decision is Decision.WITHDRAW
    assert judgement.reason.startswith("orders 0.2.0 is withdrawn, because ")
    assert named in judgement.reason


@pytest.mark.parametrize(
    ("both", "others"),
    [
        (replace(GOOD, dead_letters=3), replace(OTHERS, dead_letters=4)),
        (replace(GOOD, failed_tries=20), replace(OTHERS, failed_tries=20)),
        (replace(GOOD, violations=1), replace(OTHERS, violations=1)),
        (replace(GOOD, ages=(9.0,) * 50), replace(OTHERS, ages=(8.0,) * 50)),
    ],
    ids=["dead letters", "retries", "violations", "age"],
)
def test_a_fault_that_the_running_release_has_too_is_not_the_canarys(both: Seen, others: Seen) -> None:
    assert fault(both, others) == ""


def test_a_canary_that_handled_too_little_is_withdrawn_because_nothing_is_known() -> None:
    judgement = decide("orders 0.2.0", replace(GOOD, messages=ENOUGH_MESSAGES - 1), OTHERS, 60)
    assert judgement.decision is Decision.WITHDRAW
    assert "handled only 29 messages in 60 s" in judgement.reason


def test_a_few_retries_or_a_little_more_time_are_no_fault() -> None:
    assert fault(replace(GOOD, failed_tries=1), OTHERS) == ""
    assert fault(replace(GOOD, ages=(2.0,) * 50), OTHERS) == ""


def test_without_orders_of_the_others_the_age_is_not_compared() -> None:
    assert fault(replace(GOOD, ages=(9.0,) * 50), replace(OTHERS, ages=())) == ""


def test_the_json_has_the_age_instead_of_all_ages() -> None:
    facts = GOOD.as_json()
    assert (facts["orders"], facts["age_p90"], facts["messages"]) == (50, 0.4, 100)
    assert "ages" not in facts
