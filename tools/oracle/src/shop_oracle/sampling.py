"""Reads the spans of some orders of each outcome."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from shop_observe import traces
from shop_oracle.evidence import Evidence, Order
from shop_oracle.invariants import one_trace_per_order
from shop_stack.otlp_receiver import segment_files
from shop_stack.target import Target

SAMPLED_TRACES = 60
MANY = 5
"""With so many orders of one outcome, the outcome can be judged."""
SPANS_ARRIVE_WITHIN = 8.0
"""Seconds. Services send their spans in batches, by default every 5 s."""
PATIENCE = 20.0
"""Seconds to wait for spans that did not arrive in time: the machine may be busy."""


async def sample_traces(target: Target, evidence: Evidence, started: Mapping[str, datetime]) -> None:
    """Add the spans of some orders to the evidence. Wait for missing spans, at most PATIENCE seconds."""
    chosen, evidence.traces.unjudged = choose_orders(
        target.spans, evidence.ended_orders(), started, evidence.taken_at
    )
    missing = {order.id: order.trace_id for order in chosen}
    given_up = time.monotonic() + PATIENCE
    while missing:
        found = traces.collect(target.spans, missing.values())
        arrived = {order_id: found.get(trace_id, []) for order_id, trace_id in missing.items()}
        evidence.traces.of_order |= arrived
        late = {violation.subject for violation in one_trace_per_order(evidence).violations}
        missing = {order_id: missing[order_id] for order_id in arrived if f"order {order_id}" in late}
        if time.monotonic() > given_up:
            return
        if missing:
            await asyncio.sleep(1.0)


def choose_orders(
    spans: Path, orders: Iterable[Order], started: Mapping[str, datetime], now: datetime
) -> tuple[list[Order], str]:
    """Choose up to SAMPLED_TRACES orders, of every outcome, whose spans must be complete.

    Returns the orders and an empty text, or no order and the reason. A killed process loses the spans that it has
    not sent. So the spans must be complete only for orders that were placed after the last start of every service.
    """
    ended = list(orders)
    if not ended:
        return [], "no order has ended yet"
    traced = [order for order in ended if order.trace_id]
    if not traced:
        return [], f"tracing is off: none of {len(ended)} ended orders carries a sampled traceparent"
    files = segment_files(spans)
    if not files:
        return (
            [],
            f"no spans were received in {spans}, although {len(traced)} orders carry sampled traceparents",
        )
    bounds = {f"{service} was started and may have lost unsent spans": at for service, at in started.items()}
    if int(files[0].stem) > 1:  # Segments before this one were deleted, so spans that are older are missing.
        bounds["older spans were deleted"] = datetime.fromtimestamp(files[0].stat().st_mtime, UTC)
    why, since = max(
        bounds.items(), key=lambda bound: bound[1], default=("", datetime.min.replace(tzinfo=UTC))
    )
    fresh = [order for order in traced if order.placed_at > since]
    if not fresh:
        return [], f"no order was placed since {since:%H:%M:%S} UTC, when {why}"
    by_state: dict[str, list[Order]] = {}
    for order in fresh:
        by_state.setdefault(order.state, []).append(order)
    share = SAMPLED_TRACES // len(by_state)
    return [order for group in by_state.values() for order in sample(group, share, now)], ""


def sample(orders: Sequence[Order], most: int, now: datetime) -> list[Order]:
    """Up to `most` orders. Orders that ended a while ago are preferred: their spans have arrived already."""
    settled = [o for o in orders if o.ended_at and (now - o.ended_at).total_seconds() > SPANS_ARRIVE_WITHIN]
    found = settled if len(settled) >= min(most, MANY) else orders
    return random.Random(len(found)).sample(found, min(most, len(found)))
