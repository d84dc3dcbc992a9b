"""Invariant 9: the tables and reports of analytics agree with the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shop_observe.kafka_log import Entry
from shop_oracle import replay
from shop_oracle.evidence import Evidence
from shop_oracle.invariants.judgement import Judgement

SHOWN = 3
"""The most records that the reason of a missing judgement names."""


def projections_follow_the_log(evidence: Evidence) -> Judgement:
    """Projections = projections rebuilt from offset 0

    Compared for each order, and for each report. Foreign records that analytics handled are part of the log.
    """
    judgement = Judgement(f"{len(evidence.facts)} facts, {len(evidence.reports)} reports")
    if evidence.log.gone_before:
        judgement.unjudged = f"the log no longer begins at offset 0: {', '.join(evidence.log.gone_before)}"
        return judgement
    foreign = evidence.foreign_handled_by("analytics")
    try:
        rebuilt, reports = _rebuilt([*evidence.events(), *foreign])
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        if not foreign:
            raise
        places = ", ".join(entry.place for entry in foreign[:SHOWN])
        judgement.unjudged = (
            f"analytics handled foreign records that the oracle cannot read, such as {places}"
        )
        return judgement
    _compare_facts(judgement, rebuilt, evidence.facts)
    answers = replay.comparable(evidence.reports)
    for report, own_answer in replay.comparable(reports).items():
        answer = answers.get(report)
        judgement.expect(answer == own_answer, f"report {report}", own_answer, answer)
    return judgement


def _rebuilt(entries: Sequence[Entry]) -> tuple[dict[str, replay.Facts], dict[str, Any]]:
    """The facts by their order, and the reports, as the oracle computes them. Raises an error for unreadable data."""
    facts = replay.replay(entries)
    return facts, replay.reports(facts.values(), replay.product_names(entries))


def _compare_facts(
    judgement: Judgement, rebuilt: Mapping[str, replay.Facts], found: Mapping[str, replay.Facts]
) -> None:
    for order_id in rebuilt.keys() | found.keys():
        facts, own = found.get(order_id, {}), rebuilt.get(order_id, {})
        expected = {
            column: own.get(column) for column in replay.COMPARED if own.get(column) != facts.get(column)
        }
        actual = {column: facts.get(column) for column in expected}
        judgement.expect(not expected, f"order {order_id} in analytics", expected, actual)
