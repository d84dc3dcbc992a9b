"""Which orders are the canary's: those of which it handled a message. The others are those that it never touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shop_observe.handled import Handling
from shop_oracle.evidence import Evidence
from shop_oracle.report import Verdict


@dataclass(frozen=True, slots=True)
class Tries:
    """The work of one release of a service."""

    handled: int
    """Messages."""
    failed: int
    """Tries that failed."""
    orders: frozenset[str]


def by_release(handlings: Iterable[Handling], service: str, canary: str) -> tuple[Tries, Tries]:
    """(the work of the canary, the work of all other releases of the service). `canary` is its version."""
    mine, theirs = [], []
    for one in handlings:
        if one.reader.service == service:
            (mine if one.reader.release == canary else theirs).append(one)
    of_canary = _tries(mine)
    of_others = _tries(theirs)
    return of_canary, Tries(of_others.handled, of_others.failed, of_others.orders - of_canary.orders)


def _tries(handlings: list[Handling]) -> Tries:
    return Tries(
        handled=len({one.event_id for one in handlings if not one.failed}),
        failed=sum(one.failed for one in handlings),
        orders=frozenset(one.order_id for one in handlings if one.order_id),
    )


def violations_of(evidence: Evidence, verdict: Verdict, settled: frozenset[str]) -> Mapping[str, list[str]]:
    """Order id → the violations that concern it. Only orders in `settled` count: one in progress looks like one."""
    order_of_event = {entry.id: entry.key for entry in evidence.log.entries}
    found: dict[str, list[str]] = {}
    for ruling in verdict.rulings:
        for violation in ruling.judgement.violations:
            kind, _, name = violation.subject.partition(" ")
            order_id = order_of_event.get(name, "") if kind == "event" else name
            if order_id in settled:
                sentence = f"{violation.subject}: expected {violation.expected}, found {violation.found}"
                found.setdefault(order_id, []).append(sentence)
    return found
