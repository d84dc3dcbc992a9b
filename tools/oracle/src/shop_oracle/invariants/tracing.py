"""Invariant 8: the spans of an order form one connected trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shop_observe.traces import roots_of
from shop_oracle.evidence import Evidence
from shop_oracle.invariants.judgement import Judgement
from shop_oracle.invariants.subscribers import subscribers_of


def one_trace_per_order(evidence: Evidence) -> Judgement:
    """One connected trace per order, across all services

    All spans have one root. Every service that published or handled an event of the order has a span.
    """
    sample = evidence.traces.of_order
    judgement = Judgement(f"{len(sample)} orders sampled", unjudged=evidence.traces.unjudged)
    expected = services_of(evidence, sample)
    for order_id, spans in sample.items():
        roots = roots_of(spans)
        found = ", ".join(f"{span.service} `{span.name}`" for span in roots) or "no span"
        judgement.expect(len(roots) == 1, f"order {order_id}", "one root from which all spans hang", found)
        missing = expected[order_id] - {span.service for span in spans}
        judgement.expect(not missing, f"order {order_id}", f"spans of {sorted(missing)}", "none")
    return judgement


def services_of(evidence: Evidence, orders: Iterable[str]) -> Mapping[str, set[str]]:
    """Order id → the services that published or handled an event of the order."""
    services: dict[str, set[str]] = {order_id: set() for order_id in orders}
    subscribers = subscribers_of(evidence)
    for entry in evidence.events():
        if entry.key in services:
            services[entry.key].update([entry.source.removeprefix("/"), *subscribers.get(entry.type, ())])
    return services
