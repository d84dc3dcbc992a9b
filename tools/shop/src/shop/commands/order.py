"""The command `shop order`."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from shop_load.catalogue import CATALOGUE, ensure_catalogue
from shop_load.client import ShopClient
from shop_load.closed_loop import Customers, orderable, serve_customers
from shop_load.plans import CURRENCY, Scenario, plan_run, run_name
from shop_observe.history import History
from shop_stack.connect import connect
from shop_stack.errors import UserError
from shop_stack.target import Target

PATIENCE = 10.0
"""The longest time, in seconds, for which the order is repeated while a service is unavailable."""
LINE = re.compile(r"(?P<sku>\S+):(?P<quantity>[0-9]{1,18})")
CURES = {
    "unknown-sku": "`shop catalogue` lists five products, and `GET /prices` of orders lists all.",
    "currency-not-offered": "Give the currency of the product's price with --currency, such as "
    "`shop order --line print-harbour:1 --currency USD`.",
    "duplicate-sku": "Give each product one --line.",
}
"""Problem type of a refusal → what the user can do."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The order that the user describes with options."""

    lines: tuple[tuple[str, int], ...]
    """(SKU, quantity) each."""
    customer: str
    """The customer's login name."""
    currency: str
    token: str

    @property
    def body(self) -> dict[str, Any]:
        """The body of `POST /orders`."""
        return {
            "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in self.lines],
            "currency": self.currency,
            "payment_token": self.token,
        }


def order(
    line: Annotated[
        list[str] | None, typer.Option(metavar="SKU:QUANTITY", help="A product; repeat it for more.")
    ] = None,
    customer: Annotated[
        str | None, typer.Option(help="The customer's login name.", show_default="c-ada")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(help="tok_ok, tok_declined, tok_flaky or tok_slow.", show_default="a new tok_ok_…"),
    ] = None,
    currency: Annotated[
        str | None, typer.Option(help="The currency of the prices.", show_default=CURRENCY)
    ] = None,
    outcome: Annotated[
        Scenario | None,
        typer.Option(help="How the order must end. It excludes the other options.", case_sensitive=False),
    ] = None,
) -> None:
    """Place one order and print how to follow it.

    Its id is printed on a line of its own, so that other commands can use it.
    Without an option, the order is one that will be confirmed.

    Examples:

        shop order --line mug-blue:2 --line tea-assam:1

        shop order --line print-harbour:1 --currency USD --customer c-grace

        shop order --line mug-blue:1 --token tok_declined      it is rejected

        shop order --line chair-oak:1000      there is not enough stock

        shop order --outcome timed-out      its deadline passes"""
    own = (line, customer, token, currency) != (None, None, None, None)
    if own and outcome is not None:
        raise typer.BadParameter(
            "--outcome chooses lines, customer, token and currency itself: give either --outcome or the others."
        )
    wish = wish_of(line or [], customer, token, currency) if own else None
    order_id = place(wish, outcome or Scenario.CONFIRMED)
    typer.echo(order_id)
    typer.echo(f"shop watch {order_id}    prints its events", err=True)
    typer.echo(f"shop trace {order_id}    prints its trace, after it has ended", err=True)


def place(wish: Wish | None, outcome: Scenario) -> str:
    """Place the order `wish`; without one, an order that ends as `outcome`. Returns its id. Raises UserError."""
    with connect() as target:
        return asyncio.run(place_one(target, outcome) if wish is None else place_wish(target, wish))


def wish_of(lines: Sequence[str], customer: str | None, token: str | None, currency: str | None) -> Wish:
    """The order that the options describe. Without a line it has one piece of the catalogue's first product."""
    return Wish(
        lines=tuple(line_of(text) for text in lines) or ((CATALOGUE[0].sku, 1),),
        customer=given("--customer", customer, "c-ada"),
        currency=given("--currency", currency, CURRENCY),
        token=given("--token", token, f"tok_ok_{secrets.token_hex(12)}"),
    )


def line_of(text: str) -> tuple[str, int]:
    """Parse `mug-blue:2` into (SKU, quantity). Raises BadParameter if the text has another form."""
    found = LINE.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a line: write it as SKU:QUANTITY, such as mug-blue:2.")
    quantity = int(found["quantity"])
    if quantity == 0:
        raise typer.BadParameter(f"{text!r} orders nothing: the quantity is at least 1.")
    return found["sku"], quantity


def given(option: str, text: str | None, default: str) -> str:
    """The value of an option, or its default. Raises BadParameter if the value is blank."""
    if text is None:
        return default
    if not text.strip():
        raise typer.BadParameter(f"{option} is empty: give it a value, or leave it out for {default}.")
    return text


async def place_wish(target: Target, wish: Wish) -> str:
    """Place the order and return its id. Raises UserError with the service's reason if it is refused."""
    wanted = {sku for sku, _ in wish.lines} & {product.sku for product in CATALOGUE}
    run = run_name(0)
    with History(target.state / "history", run) as history:
        async with ShopClient(target, history, concurrency=1, patience=PATIENCE) as shop:
            # Inventory may be stopped. It is needed only for a product whose price orders does not have.
            if wanted and not wanted <= await orderable(shop):
                await ensure_catalogue(target)
            answer = await shop.post(
                f"{shop.orders}/orders", "place-order", wish.body, who=wish.customer, key=f"{run}-0"
            )
    if answer.status != 202:
        slug = str(answer.body.get("type", "")).rpartition(":")[2]
        raise UserError(" ".join(filter(None, (answer.refusal, CURES.get(slug)))))
    order_id: str = answer.body["order_id"]
    return order_id


async def place_one(target: Target, outcome: Scenario) -> str:
    """Place an order that ends as `outcome`. Returns its id. Raises UserError if it cannot be placed."""
    run = plan_run(run_name(0), 1, seed=time.time_ns(), only=outcome)
    with History(target.state / "history", run.name) as history:
        (placed,) = await serve_customers(target, run, history, Customers(concurrency=1, patience=PATIENCE))
    return placed.order_id
