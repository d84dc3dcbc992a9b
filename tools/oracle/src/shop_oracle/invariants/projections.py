"""Invariant 9: the tables and reports of analytics agree with the log."""

from __future__ import annotations

from shop_oracle import replay
from shop_oracle.evidence import Evidence
from shop_oracle.invariants.judgement import Judgement


def projections_follow_the_log(evidence: Evidence) -> Judgement:
    """Projections = projections rebuilt from offset 0

    Compared for each order, and for each report.
    """
    judgement = Judgement(f"{len(evidence.facts)} facts, {len(evidence.reports)} reports")
    if evidence.log.gone_before:
        judgement.unjudged = f"the log no longer begins at offset 0: {', '.join(evidence.log.gone_before)}"
        return judgement
    events = evidence.events()
    rebuilt = replay.replay(events)
    for order_id in rebuilt.keys() | evidence.facts.keys():
        facts, own = evidence.facts.get(order_id, {}), rebuilt.get(order_id, {})
        expected = {
            column: own.get(column) for column in replay.COMPARED if own.get(column) != facts.get(column)
        }
        found = {column: facts.get(column) for column in expected}
        judgement.expect(not expected, f"order {order_id} in analytics", expected, found)
    answers = replay.comparable(evidence.reports)
    names = replay.product_names(events)
    for report, own_answer in replay.comparable(replay.reports(rebuilt.values(), names)).items():
        answer = answers.get(report)
        judgement.expect(answer == own_answer, f"report {report}", own_answer, answer)
    return judgement
