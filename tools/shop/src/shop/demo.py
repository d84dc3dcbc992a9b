"""The demonstration: orders of every outcome go through the whole shop; their outcomes are printed and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from shop_load.closed_loop import Customers, Placed, serve_customers
from shop_load.plans import Scenario, plan_run, run_name
from shop_observe import timeline, traces
from shop_observe.history import History
from shop_observe.trace_links import link_to
from shop_oracle.evidence import Evidence, Order
from shop_oracle.gather import gather
from shop_oracle.quiet import Unrest
from shop_oracle.replay import percentile
from shop_oracle.report import Verdict, judge, print_verdict
from shop_stack.target import Target

REST_SECONDS = 180.0
"""The longest time, in seconds, until the shop is at rest after the last order was placed."""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """The results of a demonstration."""

    placed: Sequence[Placed]
    evidence: Evidence
    verdict: Verdict

    def ended(self, scenario: Scenario | None = None) -> list[Order]:
        """The orders of this run that have ended: all, or those of one scenario."""
        ids = [one.order_id for one in self.placed if scenario in (None, one.plan.scenario)]
        found = (self.evidence.orders.get(order_id) for order_id in ids)
        return [order for order in found if order is not None and order.ended_at is not None]


async def demonstrate(
    target: Target, orders: int, concurrency: int, seed: int, progress: Progress
) -> Demonstration:
    """Place `orders` orders, wait until they have ended, gather the evidence and judge it."""
    run = plan_run(run_name(seed), orders, seed)
    placing = progress.add_task("placing orders", total=orders)
    ending = progress.add_task("reaching an end", total=orders)
    step = progress.add_task("", total=None, visible=False)
    customers = Customers(concurrency, on_placed=lambda _: progress.advance(placing))
    with History(target.state / "history", run.name) as history:
        placed = await serve_customers(target, run, history, customers)

    def look(unrest: Unrest) -> None:
        if not unrest.away:
            progress.update(ending, completed=orders - min(orders, unrest.counts.get("orders PENDING", 0)))

    def log(what: str) -> None:
        progress.update(step, description=what, visible=True)

    evidence = await gather(target, REST_SECONDS, log, look)
    log("judging")
    verdict = judge(evidence)
    progress.remove_task(step)
    return Demonstration(placed, evidence, verdict)


def seconds_taken(orders: Sequence[Order]) -> list[float]:
    """Seconds from placement to end, by the times in the orders database, shortest first."""
    return sorted((order.ended_at - order.placed_at).total_seconds() for order in orders if order.ended_at)


def milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:,.0f} ms"


def takes_no_time(taken: Sequence[float]) -> bool:
    """Whether the orders were one transaction each: the beginning and the end of such an order are the same time."""
    return bool(taken) and max(taken) == 0


def endings(orders: Sequence[Order]) -> Counter[str]:
    """Outcome in words → number of orders."""
    return Counter(" ".join(filter(None, (order.state, order.reason.replace("_", " ")))) for order in orders)


def outcomes_table(shown: Demonstration) -> Table:
    table = Table(title="Outcomes", title_justify="left", show_footer=True, box=box.SIMPLE_HEAD)
    everything = seconds_taken(shown.ended())
    if takes_no_time(everything):
        table.caption = "Each order was one transaction: the time of its request is in its trace."
        everything = []
    table.add_column("what the customer did", footer="all")
    table.add_column("orders", justify="right", footer=str(len(shown.ended())))
    table.add_column("how it ended", footer="place to end")
    for share in (0.5, 0.99):
        footer = milliseconds(percentile(everything, share))
        table.add_column(f"p{share * 100:.0f}", justify="right", footer=footer)
    for scenario in Scenario:
        if orders := shown.ended(scenario):
            taken = [] if table.caption else seconds_taken(orders)
            ended = ", ".join(f"{count} {outcome}" for outcome, count in endings(orders).most_common())
            figures = (milliseconds(percentile(taken, share)) for share in (0.5, 0.99))
            table.add_row(scenario.value.replace("-", " "), str(len(orders)), ended, *figures)
    return table


def most_telling_order(shown: Demonstration) -> Order | None:
    """A compensated order of this run, if possible one that returned stock and money and whose spans have arrived."""
    candidates = [order for order in shown.ended() if order.state != "CONFIRMED"]
    stories = stories_of(shown.evidence, candidates)
    traced = shown.evidence.traces.of_order
    return max(
        candidates,
        key=lambda o: (timeline.is_compensated(stories[o.id]), o.id in traced, len(stories[o.id])),
        default=None,
    )


def stories_of(evidence: Evidence, orders: Sequence[Order]) -> dict[str, list[timeline.Step]]:
    """Order id → its timeline. The log is read once for all orders."""
    events: dict[str, list[Any]] = {order.id: [] for order in orders}
    for entry in evidence.log.entries:
        if entry.key in events:
            events[entry.key].append(entry)
    return {order_id: timeline.steps_of(entries, order_id) for order_id, entries in events.items()}


def print_demonstration(shown: Demonstration, target: Target, console: Console) -> None:
    """Print the outcomes, the timeline and the trace of one compensated order, and the verdict."""
    console.print(outcomes_table(shown))
    if order := most_telling_order(shown):
        (steps,) = stories_of(shown.evidence, [order]).values()
        console.print()
        console.print(
            timeline.timeline_table(
                steps, f"One compensated order: {order.id} ({order.state}, {order.reason})"
            )
        )
        console.print()
        print_trace(shown, target, order, console)
    console.print()
    print_verdict(shown.verdict, console)


def print_trace(shown: Demonstration, target: Target, order: Order, console: Console) -> None:
    spans = shown.evidence.traces.of_order.get(order.id) or []
    if not spans and order.trace_id:
        spans = traces.collect(target.spans, [order.trace_id]).get(order.trace_id, [])
    if spans:
        console.print(traces.tree_of(spans, traces.title_of(spans, order.id)))
        if link := link_to(traces.trace_ids_of(spans)):
            console.print(link, soft_wrap=True, highlight=False)
    else:
        console.print(f"No spans of order {order.id} have been received in {target.spans}.", style="yellow")


def as_json(shown: Demonstration) -> dict[str, Any]:
    """The demonstration as JSON. Times are in milliseconds; null if each order was one transaction."""
    taken = seconds_taken(shown.ended())
    is_measured = not takes_no_time(taken)
    return {
        "orders": len(shown.placed),
        "outcomes": dict(endings(shown.ended())),
        "place_to_end_ms": {
            name: round(1000 * (percentile(taken, share) or 0.0), 1) if is_measured else None
            for name, share in {"p50": 0.5, "p90": 0.9, "p99": 0.99}.items()
        },
        "verdict": shown.verdict.as_json(),
    }
