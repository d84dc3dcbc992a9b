"""The verdict of the experiment `foreign`, with a planted violation of each must, and what is vacuous."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import TopicPartition

from shop_lab.experiments import foreign, foreign_signs
from shop_lab.experiments.foreign import Seen
from shop_lab.experiments.foreign_inputs import input as signs
from shop_lab.experiments.foreign_inputs.events import EventTopic
from shop_lab.experiments.foreign_inputs.input import Aftermath, Input, Place, Tally, Window, answered
from shop_lab.experiments.foreign_orders import RECOVERY_SECONDS, Ended, Ordinary
from shop_lab.experiments.memory import Memory
from shop_lab.experiments.outcome import Outcome, at_least, at_most
from shop_oracle import replay
from shop_oracle.evidence import Evidence
from shop_oracle.invariants import Violation
from shop_oracle.report import Verdict, judge
from shop_stack.ports import SERVICES

PLACE = Place("orders.order.v1", 3, 17)
NEXT = PLACE._replace(offset=18)
ORDERS = 2_000


async def nothing(*_: object) -> None:
    """An input that is not given here."""


def judged() -> Verdict:
    """Everything holds, and two places are named where machines read it."""
    verdict = judge(Evidence(reports=replay.reports([], {})))
    verdict.rulings[0].judgement.unjudged = f"foreign records at {PLACE} and {NEXT}"
    return verdict


@pytest.fixture
def green() -> Verdict:
    return judged()


def orders(seconds: float, count: int = ORDERS, **more: Any) -> Ordinary:
    ended = [Ended(float(n), "CONFIRMED", n + seconds, n + 60.0) for n in range(count)]
    return Ordinary(ended, **more)


RECORD = Input("a record", 1, nothing, signs.dead_letters, must_be_letter=True)
ANSWER = Input("a request", 7, nothing, answered("422"))
CARD = Input("a card", 5, nothing, signs.ended_as_they_must)
GHOST = Input("a ghost", 8, nothing, signs.ghosts_seen)


def tallies(**more: Tally) -> dict[str, Tally]:
    given = {
        "a record": Tally(1, places={PLACE}),
        "a request": Tally(1, Counter({"422": 1})),
        "a card": Tally(1, orders={"o-1": "REJECTED"}),
        "a ghost": Tally(1, ghosts={"g-1"}),
    }
    return given | {name.replace("_", " "): tally for name, tally in more.items()}


FINE = Seen(
    inputs=[RECORD, ANSWER, CARD, GHOST],
    tallies=tallies(),
    after=Aftermath(letters={PLACE}, ends={"o-1": "REJECTED"}, ghosts_seen={"g-1"}),
    windows=[],
    reference=orders(0.1),
    ordinary=orders(0.3),
    restarts={"orders": Counter({"relay": 1})},
    ended=[],
    memory=Memory([dict.fromkeys(SERVICES, 50.0)] * 9),
)


def test_a_shop_that_bears_everything_holds(green: Verdict) -> None:
    outcome = foreign.verdict_on(FINE, green)
    assert outcome.reasons == []
    assert outcome.holds


def one_grew() -> Memory:
    return Memory([{**dict.fromkeys(SERVICES, 500.0), "orders": 50.0 + 3 * number} for number in range(9)])


SHORT: dict[str, tuple[Callable[[], Seen], str]] = {
    "an order was cancelled": (
        lambda: replace(FINE, ordinary=Ordinary([*FINE.ordinary.orders, Ended(0.0, "CANCELLED", 1.0, 60.0)])),
        "ordinary orders that did not end as they must: 1",
    ),
    "an order came too late": (
        lambda: replace(
            FINE, ordinary=Ordinary([*FINE.ordinary.orders, Ended(0.0, "CONFIRMED", 61.0, 60.0)])
        ),
        "ordinary orders that did not end as they must: 1",
    ),
    "an order was never taken": (
        lambda: replace(FINE, ordinary=orders(0.3, lost=1)),
        "ordinary orders that did not end as they must: 1",
    ),
    "an order is unknown": (
        lambda: replace(
            FINE, ordinary=Ordinary([*FINE.ordinary.orders, Ended(0.0, "unknown to orders", 0, 0)])
        ),
        "ordinary orders that did not end as they must: 1",
    ),
    "the shop is wrong without the generator": (
        lambda: replace(FINE, reference=orders(0.1, lost=1)),
        "the same, without the generator: 1",
    ),
    "orders are slow": (lambda: replace(FINE, ordinary=orders(0.31)), "p99 of request to end"),
    "a consumer started again": (
        lambda: replace(FINE, restarts={"orders": Counter({"consumer": 1})}),
        "consumers started again: 1",
    ),
    "a service ended": (lambda: replace(FINE, ended=["orders"]), "services that ended: 1"),
    "a record stops a partition": (
        lambda: replace(FINE, after=replace(FINE.after, behind={PLACE})),
        "foreign records that a reader has not passed: 1",
    ),
    "a record was taken for an event": (
        lambda: replace(FINE, tallies=tallies(a_record=Tally(2, places={PLACE, NEXT}))),
        "foreign records without a dead letter: 1",
    ),
    "an odd card ended otherwise": (
        lambda: replace(
            FINE, tallies=tallies(a_card=Tally(2, orders={"o-1": "REJECTED", "o-2": "CONFIRMED"}))
        ),
        "orders with odd cards that did not end as they must: 1",
    ),
    "a ghost keeps its stock": (
        lambda: replace(FINE, after=replace(FINE.after, held_for_ghosts={"g-1"})),
        "ghost orders with stock or money and without a dead letter: 1",
    ),
    "a request got 500": (
        lambda: replace(FINE, tallies=tallies(a_request=Tally(2, Counter({"422": 1}), Counter({"500": 1})))),
        "wrong answers to requests: 1",
    ),
    "memory grows": (
        lambda: replace(FINE, memory=Memory([dict.fromkeys(SERVICES, 50.0 + 3 * n) for n in range(9)])),
        "the services' memory, last third to middle third",
    ),
    "the memory of one service grows": (
        lambda: replace(
            FINE, memory=Memory([*one_grew().samples[:8], {**one_grew().samples[8], "orders": 90.0}])
        ),
        "the same, of the service that grew most",
    ),
    "the oracle ended in an error": (
        lambda: replace(FINE, check_error="KeyError: 'total'"),
        "`shop check` ended without a verdict: 1",
    ),
}


@pytest.mark.parametrize(("seen", "reason"), SHORT.values(), ids=SHORT.keys())
def test_what_is_not_borne_is_seen_and_named(seen: Callable[[], Seen], reason: str, green: Verdict) -> None:
    outcome = foreign.verdict_on(seen(), green)
    assert outcome.ruling == "short"
    assert [told for told in outcome.reasons if told.startswith(reason)] == outcome.reasons


def test_an_oracle_that_names_no_foreign_record_or_finds_something_is_seen(green: Verdict) -> None:
    silent = judge(Evidence(reports=replay.reports([], {})))
    assert foreign.verdict_on(FINE, silent).reasons == [
        "foreign records that `shop check` names: 0, must be ≥ 1 "
    ]
    green.rulings[4].judgement.violations.append(Violation("a key", "2 after 1", "1 after 2"))
    outcome = foreign.verdict_on(FINE, green)
    assert (outcome.ruling, outcome.reasons) == (
        "short",
        ["invariants that `shop check` found violated: 1, must be ≤ 0 "],
    )


VACUOUS: dict[str, tuple[Seen, str]] = {
    "no letter": (
        replace(FINE, tallies=tallies(a_record=Tally(1))),
        "inputs of kind 1 with a visible effect: 0",
    ),
    "no card": (replace(FINE, tallies=tallies(a_card=Tally())), "inputs of kind 5 with a visible effect: 0"),
    "no answer": (
        replace(FINE, tallies=tallies(a_request=Tally(1, Counter({"503": 1})))),
        "inputs of kind 7 with a visible effect: 0",
    ),
    "no ghost": (
        replace(FINE, after=replace(FINE.after, ghosts_seen=frozenset())),
        "inputs of kind 8 with a visible effect: 0",
    ),
    "too few orders": (replace(FINE, ordinary=orders(0.3, 999)), "orders by which the p99 was taken: 999"),
    "a part was always kept from its work": (
        replace(FINE, windows=[Window(0.0, 1e6)]),
        "orders by which the p99 was taken: 0",
    ),
    "too few orders before": (
        replace(FINE, reference=orders(0.1, 999)),
        "the same, without the generator: 999",
    ),
}


@pytest.mark.parametrize(("seen", "reason"), VACUOUS.values(), ids=VACUOUS.keys())
def test_a_run_in_which_something_did_not_bite_is_vacuous(seen: Seen, reason: str, green: Verdict) -> None:
    outcome = foreign.verdict_on(seen, green)
    assert outcome.ruling == "vacuous"
    assert not outcome.holds
    assert [told for told in outcome.reasons if told.startswith(reason)] == outcome.reasons


def test_each_input_of_a_kind_must_bite(green: Verdict) -> None:
    seen = replace(FINE, inputs=[*FINE.inputs, replace(RECORD, name="b")], tallies=tallies(b=Tally()))
    assert foreign.verdict_on(seen, green).reasons == [
        "inputs of kind 1 with a visible effect: 1, must be ≥ 2 "
    ]


def test_the_ruling_is_told_to_machines() -> None:
    vacuous = Outcome([at_most("seconds", 1, 2)], None, seen=[at_least("bites", 0, 1)])
    assert (vacuous.as_json()["ruling"], vacuous.as_json()["holds"]) == ("vacuous", False)
    assert vacuous.as_json()["reasons"] == ["bites: 0, must be ≥ 1 "]
    assert replace(vacuous, values=[at_most("seconds", 3, 2)]).ruling == "short"


def test_places_are_found_as_text_and_as_fields() -> None:
    fields = {"topic": "t-1.v1", "partition": 0, "offset": 4, "reason": "no headers"}
    told = {"rulings": [{"found": f"nothing at {PLACE}, or nearby"}], "foreign_records": [fields], "count": 2}
    assert sorted(foreign.places_in(told)) == [str(PLACE), "t-1.v1[0]@4"]


# --- What the verdict stands on -------------------------------------------------------------------


def test_the_p99_leaves_out_the_times_in_which_a_part_was_kept_from_its_work() -> None:
    slow = Ended(100.0, "CONFIRMED", 130.0, 160.0)
    found = Ordinary([*(Ended(500.0 + n, "CONFIRMED", 500.1 + n, 600.0 + n) for n in range(50)), slow])
    assert found.p99() == 30.0
    assert found.p99([Window(90.0, 95.0)]) == pytest.approx(0.1)
    assert found.p99([Window(80.0, 99.0 - RECOVERY_SECONDS)]) == 30.0
    assert Ordinary([]).p99() == 0.0


def test_only_restarts_of_tasks_are_counted() -> None:
    lines = [
        '{"event": "task.failed", "task": "consumer"}',
        '{"event": "task.restarting", "task": "consumer"}',
        '{"event": "task.restarting", "task": "relay"}',
        '{"event": "consumer.waiting", "events": 3}',
        "Traceback: task.failed",
        "[1]",
    ]
    assert foreign_signs.restarts(lines) == {"consumer": 2, "relay": 1}


def test_a_record_is_behind_while_one_reader_has_not_passed_it() -> None:
    topics = {"t": EventTopic("t", "a", ("b", "c"), "order_id", {})}
    at = TopicPartition("t", 0)
    places = [Place("t", 0, 4), Place("t", 0, 5), Place("t", 1, 0)]
    passed = {"b": {at: 6, TopicPartition("t", 1): 1}, "c": {at: 5}}
    assert foreign_signs.behind(places, passed, topics) == {Place("t", 0, 5), Place("t", 1, 0)}


def test_each_sign_counts_what_it_is_named_after() -> None:
    after = Aftermath(
        letters={PLACE}, taken={"e-1"}, behind=frozenset(), duplicates=3, denied=2, ends={"o-1": "REJECTED"}
    )
    places = {PLACE, NEXT}
    tally = Tally(answers=Counter({signs.REFUSED: 4, "408": 1}), places=places, events={"e-1", "e-2"})
    assert signs.dead_letters(tally, after) == 1
    assert signs.refused_or_dead_letters(tally, after) == 5
    assert signs.events_or_dead_letters(tally, after) == 2
    assert signs.dropped_duplicates(tally, after) == 2
    assert signs.dropped_duplicates(tally, replace(after, duplicates=0)) == 0
    assert signs.refused_privileges(tally, after) == 2
    assert answered("408", "closed")(tally, after) == 1
