"""The HTTP API: reports, which read totals, and rebuilds."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from analytics import handlers
from analytics.db import Generation
from analytics.domain import (
    GenerationState,
    OrderState,
    RebuildAlreadyEnded,
    RebuildAlreadyRunning,
    UnknownRebuild,
)
from chassis.web import (
    Db,
    GuardedRoute,
    IdempotencyKey,
    ProblemType,
    claim_or_replay,
    problem_answers,
    remember,
)
from chassis.web.access import Role, allow

router = APIRouter(route_class=GuardedRoute, dependencies=[allow(Role.OPERATOR)])
GenerationNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]
PROBLEMS: dict[type[Exception], ProblemType] = {
    RebuildAlreadyRunning: ProblemType(409, "rebuild-already-running", "A rebuild is running"),
    RebuildAlreadyEnded: ProblemType(409, "rebuild-already-ended", "The rebuild has ended"),
    UnknownRebuild: ProblemType(404, "unknown-rebuild", "No such rebuild"),
}


class OrdersInState(BaseModel):
    state: OrderState
    orders: int


class OrdersByState(BaseModel):
    """The number of orders per state. A state without orders is left out."""

    states: list[OrdersInState]


class CurrencyRevenue(BaseModel):
    """Revenue in one currency. Amounts are in minor units, are exact, and may be larger than 64 bits."""

    currency: str
    confirmed_orders: int
    revenue_minor: int = Field(description="totals of the confirmed orders")
    refunds: int
    refunded_minor: int


class Revenue(BaseModel):
    currencies: list[CurrencyRevenue]


class ProductSales(BaseModel):
    """Pieces of one product in confirmed orders, at the prices of those orders."""

    sku: str
    name: str | None = Field(description="null until an event about the product has arrived")
    currency: str
    quantity: int
    revenue_minor: int


class TopProducts(BaseModel):
    products: list[ProductSales]


class TimeToConfirm(BaseModel):
    """Seconds from `placed_at` to `confirmed_at` of the events. Null while no order is confirmed."""

    orders: int
    p50: float | None
    p90: float | None
    p99: float | None


class Funnel(BaseModel):
    """The number of orders that reached each step. An order counts for a step if it reached all steps before it."""

    placed: int
    reserved: int
    captured: int
    confirmed: int
    notified: int


class RebuildOpened(BaseModel):
    generation: int


class Rebuild(BaseModel):
    """A generation of the projections. Reports read the ACTIVE generation."""

    generation: int
    state: GenerationState
    opened_at: datetime
    activated_at: datetime | None
    messages_read: int
    messages_total: int | None = Field(description="null until the end offsets of the topics are known")
    messages_skipped: int = Field(
        description="number of messages that are not readable or not writable, or dead letters that were not redriven"
    )
    progress: float = Field(ge=0, le=1)


class Rebuilds(BaseModel):
    """Rebuilds, the newest first. Generation 1 was made by the first migration."""

    rebuilds: list[Rebuild]


@router.get("/reports/orders-by-state", summary="Count orders by state", tags=["reports"])
async def orders_by_state(database: Db) -> OrdersByState:
    async with database.reading() as connection:
        rows = await handlers.report_orders_by_state(connection)
    return OrdersByState(states=[OrdersInState.model_validate(row) for row in rows])


@router.get("/reports/revenue", summary="Sum up confirmed orders and refunds by currency", tags=["reports"])
async def revenue(database: Db) -> Revenue:
    async with database.reading() as connection:
        rows = await handlers.report_revenue(connection)
    return Revenue(currencies=[CurrencyRevenue.model_validate(row) for row in rows])


@router.get(
    "/reports/top-products",
    summary="List the best-selling products",
    tags=["reports"],
    responses=problem_answers(_422="invalid-request"),
)
async def top_products(database: Db, limit: Annotated[int, Query(ge=1, le=100)] = 10) -> TopProducts:
    async with database.reading() as connection:
        rows = await handlers.report_top_products(connection, limit)
    return TopProducts(products=[ProductSales.model_validate(row) for row in rows])


@router.get(
    "/reports/time-to-confirm", summary="Percentiles of the time from placed to confirmed", tags=["reports"]
)
async def time_to_confirm(database: Db) -> TimeToConfirm:
    async with database.reading() as connection:
        return TimeToConfirm.model_validate(await handlers.report_time_to_confirm(connection))


@router.get("/reports/funnel", summary="Count the orders that reached each step", tags=["reports"])
async def funnel(database: Db) -> Funnel:
    async with database.reading() as connection:
        return Funnel.model_validate(await handlers.report_funnel(connection))


@router.post(
    "/rebuilds",
    summary="Rebuild the projections from offset 0",
    status_code=202,
    response_model=RebuildOpened,
    tags=["rebuilds"],
    responses=problem_answers(_409="rebuild-already-running", _422="idempotency-key-reused"),
)
async def open_rebuild(database: Db, idempotency_key: IdempotencyKey = None) -> Response:
    """Start a rebuild. Reports read the ACTIVE generation until the new one is complete. Then all reports switch."""
    async with database.transaction() as tx:
        if first := await claim_or_replay(tx, idempotency_key, {}):
            return first
        generation = await handlers.open_rebuild(tx)
        body, headers = {"generation": generation}, {"Location": f"/rebuilds/{generation}"}
        await remember(tx, idempotency_key, 202, body, headers)
    return JSONResponse(body, 202, headers)


@router.get(
    "/rebuilds", summary="List rebuilds", tags=["rebuilds"], responses=problem_answers(_422="invalid-request")
)
async def list_rebuilds(database: Db, limit: Annotated[int, Query(ge=1, le=100)] = 10) -> Rebuilds:
    """The newest rebuilds with their progress: for an operator who does not know their numbers."""
    async with database.reading() as connection:
        found = await handlers.list_rebuilds(connection, limit)
    return Rebuilds(rebuilds=[_rebuild(generation) for generation in found])


@router.post(
    "/rebuilds/{generation}/cancel",
    summary="Cancel a rebuild",
    tags=["rebuilds"],
    responses=problem_answers(_404="unknown-rebuild", _409="rebuild-already-ended", _422="invalid-request"),
)
async def cancel_rebuild(database: Db, generation: GenerationNumber) -> Rebuild:
    """Cancel a rebuild: a BUILDING generation becomes CANCELLED. Reports do not change. Safe to repeat."""
    async with database.transaction() as tx:
        await handlers.cancel_rebuild(tx, generation)
        return _rebuild(await handlers.read_rebuild(tx.connection, generation))


@router.get(
    "/rebuilds/{generation}",
    summary="Read a rebuild's state and progress",
    tags=["rebuilds"],
    responses=problem_answers(_404="unknown-rebuild", _422="invalid-request"),
)
async def read_rebuild(database: Db, generation: GenerationNumber) -> Rebuild:
    async with database.reading() as connection:
        return _rebuild(await handlers.read_rebuild(connection, generation))


def _rebuild(generation: Generation) -> Rebuild:
    return Rebuild(
        generation=generation.generation,
        state=generation.state,
        opened_at=generation.opened_at,
        activated_at=generation.activated_at,
        messages_read=generation.messages_read,
        messages_total=generation.messages_total,
        messages_skipped=generation.messages_skipped,
        progress=generation.progress,
    )
