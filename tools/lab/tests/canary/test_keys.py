"""The orders of which the canary handled a message are its own. All others are those of the running release."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shop_lab.canary.keys import Tries, by_release, violations_of
from shop_observe.handled import Handling, Process
from shop_observe.kafka_log import Entry, Log
from shop_oracle import replay
from shop_oracle.evidence import Evidence
from shop_oracle.invariants import Violation
from shop_oracle.report import judge

CANARY = Process("payments", "0.2.0")
RUNNING = Process("payments", "clone")
ONE = Handling("e1", "o1", "process a.b.v1", Process("orders", "clone"), CANARY, failed=False, began_ns=1)


def entry(event_id: str, key: str) -> Entry:
    facts: dict[str, Any] = dict.fromkeys(
        ("source", "type", "correlation_id", "causation_id", "traceparent", "decided_at"), ""
    )
    return Entry(topic="t", partition=0, offset=0, sent_ms=0, key=key, id=event_id, value=b"", **facts)


def test_an_order_that_the_canary_touched_is_not_the_others() -> None:
    tries = [
        ONE,
        replace(ONE, event_id="e2", reader=RUNNING),
        replace(ONE, event_id="e3", order_id="o2", reader=RUNNING),
    ]
    mine, theirs = by_release(tries, "payments", "0.2.0")
    assert mine == Tries(handled=1, failed=0, orders=frozenset({"o1"}))
    assert theirs == Tries(handled=2, failed=0, orders=frozenset({"o2"}))


def test_failed_tries_are_counted_each_time_and_handled_messages_once() -> None:
    failed = replace(ONE, failed=True)
    mine, _ = by_release([failed, failed, ONE, ONE], "payments", "0.2.0")
    assert (mine.handled, mine.failed) == (1, 2)


def test_the_work_of_other_services_does_not_count() -> None:
    mine, theirs = by_release([replace(ONE, reader=Process("analytics", "0.2.0"))], "payments", "0.2.0")
    assert mine.handled == theirs.handled == 0


def test_violations_are_found_by_order_and_by_event_of_settled_orders() -> None:
    evidence = Evidence(reports=replay.reports([], {}), log=Log([entry("e1", "o1"), entry("e2", "o2")], {}))
    verdict = judge(Evidence(reports=replay.reports([], {})))
    verdict.rulings[0].judgement.violations.extend(
        [Violation("order o1", "a", "b"), Violation("event e1", "c", "d"), Violation("order o2", "a", "b")]
    )
    found = violations_of(evidence, verdict, frozenset({"o1"}))
    assert found == {"o1": ["order o1: expected a, found b", "event e1: expected c, found d"]}
