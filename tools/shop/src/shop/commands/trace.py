"""The command `shop trace ORDER`."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from shop.commands.watch import order_id_of
from shop_observe.trace_links import link_to
from shop_observe.traces import collect, rows_of, title_of, trace_ids_of, traces_of_order, tree_of
from shop_stack.connect import connect_spans
from shop_stack.errors import UserError


def trace(
    order: Annotated[str, typer.Argument(help="The order's id.", metavar="ORDER")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the spans as JSON, in the same order.")
    ] = False,
) -> None:
    """Print an order's trace as a tree of spans, across Kafka and all services.

    Each line shows the service, the span, the time since the trace began, and
    the duration. ▲ marks a message that was sent, ▼ one that was received. It
    also works while the shop is stopped, because the spans are in its state
    folder. With SHOP_TRACE_MODE=links, it follows the links between traces. With
    SHOP_TRACE_URL=http://localhost:16686, it prints the address of the trace in
    Jaeger's page.

    Examples:

        shop trace 01985f0e-…

        shop trace $(shop order | head -1)      spans arrive a few seconds late"""
    order_id = order_id_of(order)
    with connect_spans() as folder:
        found = collect(folder, traces_of_order(folder, order_id))
    spans = {(span.trace_id, span.span_id): span for family in found.values() for span in family}
    if not spans:
        raise UserError(
            f"No span of order {order_id} was received. Spans arrive some seconds after the order; "
            "if the order is older, tracing may have been off when it was placed."
        )
    link = link_to(trace_ids_of(spans.values()))
    if as_json:
        typer.echo(json.dumps({"order_id": order_id, "link": link, "spans": rows_of(spans.values())}))
        return
    Console().print(tree_of(spans.values(), title_of(spans.values(), order_id)))
    if link:
        typer.echo(link)
