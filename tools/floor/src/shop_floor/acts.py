"""The addresses of the other views: the storefront, dead letters, faults, contracts and labs.

Each address that changes something is a POST, and the guard lets it through only from a page of this server.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from shop_contracts.answer.running import running
from shop_floor import contract_table, lasting, parts, programs, shopping
from shop_floor.app import known_form, shop_of
from shop_floor.letters import open_letters
from shop_load.plans import Scenario
from shop_stack.admin import ask
from shop_stack.errors import UserError

router = APIRouter(prefix="/api")
router.include_router(lasting.router)


class Line(BaseModel):
    """A product of an order."""

    sku: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    quantity: Annotated[int, Field(ge=1, le=10_000)]


class Cart(BaseModel):
    """An order of one's own, or one that ends in a given way."""

    outcome: Scenario | None = None
    lines: Annotated[list[Line], Field(max_length=20)] = []
    slow: bool = False


class Letter(BaseModel):
    """One dead letter."""

    service: str
    id: int
    whole_key: bool = True
    """Every open dead letter of its key, in their order."""


@router.get("/storefront")
async def storefront(request: Request) -> dict[str, Any]:
    """The products, and the outcomes that can be chosen."""
    return {"outcomes": shopping.outcomes(), "products": await shopping.catalogue(shop_of(request).target)}


@router.post("/orders", status_code=202)
async def place(request: Request, cart: Cart) -> dict[str, str]:
    """Place an order."""
    shop = shop_of(request)
    if cart.outcome is not None:
        order_id, customer = await shopping.place_outcome(shop.target, cart.outcome)
    elif cart.lines:
        lines = [(line.sku, line.quantity) for line in cart.lines]
        order_id, customer = await shopping.place_lines(shop.target, lines, slow=cart.slow)
    else:
        raise UserError("The cart is empty: choose a product.")
    shopping.remember(shop.placed, order_id, customer)
    return {"order_id": order_id}


@router.post("/orders/{order_id}/cancel", status_code=202)
async def cancel(request: Request, order_id: str) -> dict[str, Any]:
    """Cancel an order that was placed here, as its customer."""
    shop, canonical = shop_of(request), known_form(order_id)
    customer = shop.placed.get(canonical)
    if customer is None:
        raise UserError("Only its customer may cancel an order, and this one was not placed on this page.")
    return await shopping.cancel(shop.target, canonical, customer)


@router.get("/dead-letters")
async def dead_letters(request: Request) -> dict[str, Any]:
    """The open dead letters of every service."""
    letters, away = await open_letters(shop_of(request).target)
    return {"letters": letters, "lacks": away}


@router.get("/dead-letters/{service}/{letter}")
def dead_letter(request: Request, service: str, letter: int) -> Any:
    """One dead letter with its headers and its data."""
    return ask(shop_of(request).target, service, "GET", f"/dead-letters/{letter}")


@router.post("/dead-letters/{verb}")
def end(request: Request, verb: Literal["redrive", "discard"], letter: Letter) -> Any:
    """Redrive or discard. A redrive is of the whole key, in its order: a later event cannot overtake."""
    target = shop_of(request).target
    row = ask(target, letter.service, "GET", f"/dead-letters/{letter.id}")
    by_key = letter.whole_key and row.get("key")
    body = {"id": None, "key": row["key"]} if by_key else {"id": letter.id, "key": None}
    return ask(target, letter.service, "POST", f"/dead-letters/{verb}", json=body)


@router.get("/parts")
async def all_parts(request: Request) -> list[dict[str, Any]]:
    """The parts of the embedded stack."""
    return await parts.parts(shop_of(request).target)


@router.post("/parts/{name}/{what}")
async def act(request: Request, name: str, what: str) -> dict[str, str]:
    """Start, stop, kill, freeze, slow or resume one part."""
    # Shielded: a browser that goes away in the middle must not leave a part half started.
    return {"told": await asyncio.shield(parts.act(shop_of(request).target, name, what))}


@router.post("/oracle")
async def oracle(request: Request) -> dict[str, Any]:
    """Ask the oracle: it waits until the shop is at rest, at most 30 s."""
    return await programs.ask_oracle(shop_of(request).target)


@router.get("/contracts")
async def contracts(request: Request) -> dict[str, Any]:
    """Who reads which event."""
    target = shop_of(request).target
    deployed = {name: one.version for name, one in (await running(target)).items() if not one.silent}
    return await asyncio.to_thread(contract_table.contract_table, target, deployed)


@router.get("/labs")
async def labs(request: Request) -> list[dict[str, Any]]:
    """The labs, and how far each is."""
    return await programs.labs(shop_of(request).target)


@router.post("/labs/{name:path}/check")
async def check_lab(request: Request, name: str) -> dict[str, Any]:
    """Whether a lab is done."""
    return await programs.check_lab(shop_of(request).target, name)
