"""The addresses of work that takes seconds or minutes: traces, the matrix of `shop can-i-deploy`, and drills."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from shop_floor import deployable, drills
from shop_floor import trace as trace_of
from shop_floor.app import known_form, shop_of

router = APIRouter()


class Seed(BaseModel):
    """The wish for a drill. The same seed gives the same fault."""

    seed: Annotated[int | None, Field(ge=0, le=1_000_000_000)] = None


class Diagnosis(BaseModel):
    """What a person says that the fault is."""

    part: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
    cause: Annotated[str, Field(pattern=r"^[a-z]{1,20}$")]


@router.get("/orders/{order_id}/trace")
async def trace(request: Request, order_id: str) -> dict[str, Any]:
    """The spans of one order."""
    shop, canonical = shop_of(request), known_form(order_id)
    spans: dict[str, Any] = await shop.readings.of(
        f"trace {canonical}", lambda: trace_of.of_order(shop.target, canonical)
    )
    return spans


@router.get("/deployable")
async def matrix(request: Request) -> dict[str, Any]:
    """How far the comparison is, and its result."""
    return shop_of(request).matrix.as_json()


@router.post("/deployable", status_code=202)
async def compare(request: Request) -> dict[str, Any]:
    """Ask for each service whether its newest release can be deployed."""
    shop = shop_of(request)
    shop.matrix.start("compare", lambda tell: deployable.ask_all(shop.target, tell))
    return shop.matrix.as_json()


@router.get("/drill")
async def drill(request: Request) -> dict[str, Any]:
    """The drill that is on. While a command of it runs, only that is told."""
    shop = shop_of(request)
    job = shop.drill.as_json()
    if job["running"]:
        return {"job": job, "drill": None}
    return {"job": job, "drill": await shop.readings.of("drill", lambda: drills.state(shop.target))}


@router.post("/drill/start", status_code=202)
async def start(request: Request, wish: Seed) -> dict[str, Any]:
    """Begin a drill."""
    shop = shop_of(request)
    shop.drill.start("start", lambda tell: drills.start(shop.target, wish.seed, tell))
    return {"job": shop.drill.as_json()}


@router.post("/drill/hint")
async def hint(request: Request) -> dict[str, str]:
    """Give a hint. It is counted."""
    return {"told": await drills.hint(shop_of(request).target)}


@router.post("/drill/answer", status_code=202)
async def answer(request: Request, said: Diagnosis) -> dict[str, Any]:
    """Name the fault."""
    shop = shop_of(request)
    shop.drill.start("answer", lambda tell: drills.answer(shop.target, said.part, said.cause, tell))
    return {"job": shop.drill.as_json()}


@router.post("/drill/stop", status_code=202)
async def stop(request: Request) -> dict[str, Any]:
    """Give a drill up."""
    shop = shop_of(request)
    shop.drill.start("stop", lambda tell: drills.stop(shop.target, tell))
    return {"job": shop.drill.as_json()}
