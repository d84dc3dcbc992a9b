"""The storefront: places orders as a customer does, and cancels them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

from shop_load.catalogue import CATALOGUE, ensure_catalogue, offers
from shop_load.client import ShopClient
from shop_load.closed_loop import Customers, serve_customers
from shop_load.plans import Scenario, plan_run, run_name
from shop_observe.history import History
from shop_stack.errors import UserError
from shop_stack.target import Target

PATIENCE = 10.0
"""The longest time, in seconds, for which a request is repeated."""
CUSTOMER = "c-ada"
SLOW_DEADLINE_SECONDS = 60
MOST_PLACED = 1_000

OUTCOMES: dict[Scenario, tuple[str, str]] = {
    Scenario.CONFIRMED: ("Confirmed", "There is stock, and the card is charged."),
    Scenario.OUT_OF_STOCK: ("Out of stock", "It asks for more than there is, and is rejected."),
    Scenario.DECLINED: (
        "Card declined",
        "The stock is reserved, the card is declined, the stock is released.",
    ),
    Scenario.FLAKY: ("Flaky processor", "The card processor fails a few times. The charge is repeated."),
    Scenario.CANCELLED: ("Cancelled", "The customer cancels while the card is charged."),
    Scenario.TIMED_OUT: (
        "Deadline passed",
        "The card processor takes longer than the deadline of one second.",
    ),
    Scenario.POSTED_TWICE: ("Sent twice", "The same request arrives twice. There is one order."),
    Scenario.CANCELLED_AT_ONCE: ("Cancelled at once", "The cancellation races with the first events."),
}
"""Outcome → its title, and what happens."""


def outcomes() -> list[dict[str, str]]:
    """The outcomes that can be chosen."""
    return [{"name": name.value, "title": title, "what": what} for name, (title, what) in OUTCOMES.items()]


async def catalogue(target: Target) -> list[dict[str, Any]]:
    """The products on sale, with their stock. Missing ones of the five are listed first. Raises UserError."""
    return [
        {
            "sku": o.sku,
            "name": o.name,
            "minor": o.amount_minor,
            "currency": o.currency,
            "available": o.available,
        }
        for o in await ensure_catalogue(target)
    ]


async def place_outcome(target: Target, outcome: Scenario) -> tuple[str, str]:
    """Place an order that ends in this way. Returns its id and the login name of its customer. Raises UserError."""
    run = plan_run(run_name(0), 1, seed=time.time_ns(), only=outcome)
    with History(target.state / "history", run.name) as history:
        (placed,) = await serve_customers(target, run, history, Customers(concurrency=1, patience=PATIENCE))
    return placed.order_id, placed.plan.customer


async def place_lines(target: Target, lines: Sequence[tuple[str, int]], *, slow: bool) -> tuple[str, str]:
    """Place an order of these (SKU, quantity). With `slow` its card takes seconds, so that it can be cancelled.

    Returns its id and the login name of its customer. Raises UserError with the reason if it is refused.
    """
    run = run_name(0)
    with History(target.state / "history", run) as history:
        async with ShopClient(target, history, concurrency=1, patience=PATIENCE) as shop:
            known = {offer.sku: offer for offer in await offers(shop, CATALOGUE)}
            body = {
                "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines],
                "currency": known[lines[0][0]].currency if lines[0][0] in known else "EUR",
                "payment_token": f"{'tok_slow' if slow else 'tok_ok'}_{secrets.token_hex(12)}",
                "deadline_seconds": SLOW_DEADLINE_SECONDS,
            }
            answer = await shop.post(
                f"{shop.orders}/orders", "place-order", body, who=CUSTOMER, key=f"{run}-0"
            )
    if answer.status != 202:
        raise UserError(answer.refusal)
    return str(answer.body["order_id"]), CUSTOMER


async def cancel(target: Target, order_id: str, customer: str) -> dict[str, Any]:
    """Cancel an order as its customer. Returns what the service answers. Raises UserError if it refuses."""
    with History(target.state / "history", run_name(0)) as history:
        async with ShopClient(target, history, concurrency=1, patience=PATIENCE) as shop:
            url = f"{shop.orders}/orders/{order_id}/cancel"
            answer = await shop.post(url, "cancel-order", None, who=customer, subject=order_id)
    if answer.status != 202:
        raise UserError(answer.refusal)
    return {"state": str(answer.body.get("state", ""))}


def remember(placed: dict[str, str], order_id: str, customer: str) -> None:
    """Note who has placed an order. The oldest note is forgotten."""
    while len(placed) >= MOST_PLACED:
        del placed[next(iter(placed))]
    placed[order_id] = customer
