"""Mutants are sorted by their traces at each reader, and each hole that is planted is a finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from shop_lab.experiments.foreign_inputs.input import Place
from shop_lab.fuzz import judging
from shop_lab.fuzz.mutants import Mutant, Spec, make, read_contracts
from shop_lab.fuzz.readers import Judged
from shop_lab.fuzz.sorting import Became, Sent, Sorted, Traces, sort
from shop_observe.kafka_log import Entry
from shop_oracle import replay
from shop_oracle.evidence import Evidence
from shop_oracle.report import Verdict, judge
from shop_stack.paths import repository

TYPE = "notifications.notification-sent.v1"
READER = "analytics"
"""The only reader of this type."""
PLACE = Place("notifications.notification.v1", 2, 9)
ID = ("/notifications", "an-id")


@pytest.fixture(scope="module")
def mutant() -> Mutant:
    contracts = read_contracts(repository() / "contracts")
    made = (make(contracts, Spec(1, number)) for number in range(1_000))
    return next(one for one in made if one.draft.type == TYPE and len(one.steps) == 2)


def sorted_(mutant: Mutant, judged: Judged, traces: Traces, places: list[Place] | None = None) -> Sorted:
    sent = Sent(mutant, judged, [PLACE] if places is None else places)
    return sort([sent], {READER: traces})


def judged(fault: str = "", refuse: str = "", reads: bool = True) -> Judged:
    return Judged(fault, *ID, {READER: refuse}, frozenset({READER} if reads else ()))


NOTHING = Traces({}, frozenset())
LETTER = Traces({PLACE: "schema-violation"}, frozenset())
HELD = Traces({PLACE: "handler-failed"}, frozenset(), {ID: "handler-failed"})
TAKEN = Traces({}, frozenset({ID}))


@pytest.mark.parametrize(
    ("known", "traces", "became"),
    [
        (judged("bad", "bad"), LETTER, Became.DEAD_LETTER),
        (judged(), LETTER, Became.REFUSED),
        (judged(), TAKEN, Became.HANDLED),
        (judged("bad"), TAKEN, Became.TOLERATED),
        (judged(reads=False), NOTHING, Became.NOT_READ),
    ],
)
def test_what_may_happen_is_counted(mutant: Mutant, known: Judged, traces: Traces, became: Became) -> None:
    found = sorted_(mutant, known, traces)
    assert found.findings == []
    assert found.total == {became: 1}


@pytest.mark.parametrize(
    ("known", "traces", "what"),
    [
        (judged("bad", "bad"), NOTHING, "neither handled nor a dead letter"),
        (judged(), NOTHING, "neither handled nor a dead letter"),
        (judged("bad", "its data is no JSON"), TAKEN, "handled, although its data is no JSON"),
        (judged("bad", "it has no ce_id", reads=False), NOTHING, "neither handled nor a dead letter"),
    ],
)
def test_what_must_not_happen_is_a_finding(mutant: Mutant, known: Judged, traces: Traces, what: str) -> None:
    (finding,) = sorted_(mutant, known, traces).findings
    assert (finding.reader, finding.what) == (READER, what)
    assert finding.as_json()["again"] == f"shop fuzz events --only {mutant.spec}"
    assert finding.as_json()["place"] == str(PLACE)


def test_a_dead_letter_at_another_place_is_none_of_this_mutant(mutant: Mutant) -> None:
    other = Traces({PLACE._replace(offset=10): "bad-id"}, frozenset())
    assert sorted_(mutant, judged("bad", "bad"), other).findings


def test_each_copy_of_a_mutant_must_become_something(mutant: Mutant) -> None:
    found = sorted_(mutant, judged("bad", "bad"), LETTER, [PLACE, PLACE._replace(offset=10)])
    assert found.total == {Became.DEAD_LETTER: 1}
    assert len(found.findings) == 1


def test_a_copy_of_an_event_that_is_a_dead_letter_is_no_finding(mutant: Mutant) -> None:
    found = sorted_(mutant, judged(), HELD, [PLACE, PLACE._replace(offset=10)])
    assert found.findings == []
    assert found.total == {Became.REFUSED: 2}


def test_a_mutant_that_the_broker_refused_is_counted(mutant: Mutant) -> None:
    assert sorted_(mutant, judged("bad", "bad"), NOTHING, []).total == {Became.HELD_BY_BROKER: 1}


def entry(mutant: Mutant, place: Place, fault: str) -> Entry:
    headers: Mapping[str, Any] = {
        "id": "an-id",
        "source": "/orders",
        "type": "orders.order-cancelled.v1",
        "correlation_id": "",
        "causation_id": "",
        "traceparent": "",
        "decided_at": "",
    }
    key = (mutant.draft.key or b"").decode(errors="replace")
    return Entry(*place, 0, key, **headers, value=b"{}", fault=fault)


def test_a_record_of_a_service_that_breaks_its_contract_is_a_finding(mutant: Mutant) -> None:
    sent = [Sent(mutant, judged("bad", "bad"), [PLACE])]
    of_service = Place("orders.order.v1", 1, 4)
    entries = [
        entry(mutant, PLACE, "ours"),
        entry(mutant, of_service, ""),
        entry(mutant, of_service, "no name"),
    ]
    (finding,) = judging.published(entries, sent)
    assert (finding.reader, finding.place) == ("orders", str(of_service))
    assert finding.what == "published orders.order-cancelled.v1, which breaks its contract: no name"


def violated(subject: str) -> Verdict:
    verdict = judge(Evidence(reports=replay.reports([], {})))
    verdict.rulings[0].judgement.violated(subject, "an end", "nothing")
    return verdict


def test_a_violation_of_a_key_of_a_mutant_is_left_out_and_no_other() -> None:
    assert not violated("order a-key").holds
    assert judging.of_other_keys(violated("order a-key"), {"a-key"}).holds
    assert not judging.of_other_keys(violated("order another-key"), {"a-key"}).holds
    assert not judging.of_other_keys(violated("all orders"), {"a-key"}).holds
