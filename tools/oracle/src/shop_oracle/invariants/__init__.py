"""The nine invariants: pure functions, each from the evidence to a judgement.

Their order and their numbers are those of docs/architecture.md. A violation names its subject, the expected value and
the value that was found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from shop_oracle.evidence import Evidence
from shop_oracle.invariants.delivery import nothing_is_lost_between_services
from shop_oracle.invariants.effects import no_effect_happens_twice
from shop_oracle.invariants.endings import every_acknowledged_order_ends_once
from shop_oracle.invariants.judgement import Judgement, Violation
from shop_oracle.invariants.locks import nothing_stays_locked
from shop_oracle.invariants.money import money_is_conserved
from shop_oracle.invariants.order_of_keys import no_key_is_out_of_order
from shop_oracle.invariants.projections import projections_follow_the_log
from shop_oracle.invariants.stock import stock_is_conserved
from shop_oracle.invariants.tracing import one_trace_per_order

__all__ = [
    "INVARIANTS",
    "RUNBOOKS",
    "Invariant",
    "Judgement",
    "Violation",
    "every_acknowledged_order_ends_once",
    "money_is_conserved",
    "no_effect_happens_twice",
    "no_key_is_out_of_order",
    "nothing_is_lost_between_services",
    "nothing_stays_locked",
    "one_trace_per_order",
    "projections_follow_the_log",
    "stock_is_conserved",
]

Invariant = Callable[[Evidence], Judgement]

INVARIANTS: Sequence[Invariant] = (
    every_acknowledged_order_ends_once,
    stock_is_conserved,
    money_is_conserved,
    no_effect_happens_twice,
    no_key_is_out_of_order,
    nothing_is_lost_between_services,
    nothing_stays_locked,
    one_trace_per_order,
    projections_follow_the_log,
)
"""In the order of their numbers, from 1."""

RUNBOOKS: Mapping[Invariant, str] = {
    every_acknowledged_order_ends_once: "lost-orders",
    stock_is_conserved: "dead-letters",
    money_is_conserved: "lost-orders",
    no_effect_happens_twice: "inbox-retention",
    no_key_is_out_of_order: "kafka-down",
    nothing_is_lost_between_services: "events-not-sent",
    nothing_stays_locked: "outside-work-waits",
    one_trace_per_order: "README",
    projections_follow_the_log: "dead-letters",
}
"""The page of docs/runbooks for the most likely cause of a violation. The README there has the other causes."""
