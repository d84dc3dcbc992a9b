"""The HTTP API: the models of requests and answers, and one use case per route."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictInt

from chassis.events import Currency, Money
from chassis.postgres import Row
from chassis.web import (
    CursorCodec,
    CursorParameter,
    Db,
    GuardedRoute,
    IdempotencyKey,
    Plain,
    PlainSecret,
    PositionText,
    Problem,
    ProblemType,
    RequestBody,
    claim_or_replay,
    context_of,
    problem_answers,
    remember,
)
from chassis.web.access import CurrentCaller, Role, allow
from orders import db, domain, handlers
from orders.domain import OrderState
from orders.settings import Settings

router = APIRouter(route_class=GuardedRoute)

PROBLEMS: Mapping[type[Exception], ProblemType] = {
    domain.EmptyOrder: ProblemType(422, "empty-order", "The order is empty"),
    domain.TooManyLines: ProblemType(422, "too-many-lines", "The order has too many lines"),
    domain.InvalidQuantity: ProblemType(422, "invalid-quantity", "A quantity is out of range"),
    domain.DuplicateSku: ProblemType(422, "duplicate-sku", "A product is on more than one line"),
    domain.PriceListMissing: ProblemType(
        503, "price-list-missing", "The price list has not arrived", {"Retry-After": "5"}
    ),
    domain.UnknownSku: ProblemType(422, "unknown-sku", "A product is not on the price list"),
    domain.CurrencyNotOffered: ProblemType(
        422, "currency-not-offered", "A product is not sold in this currency"
    ),
    domain.TotalTooLarge: ProblemType(422, "total-too-large", "The total is too large"),
    domain.TooManyPendingOrders: ProblemType(
        429, "too-many-pending-orders", "The customer has too many PENDING orders", {"Retry-After": "1"}
    ),
    domain.UnknownOrder: ProblemType(404, "unknown-order", "There is no such order"),
    domain.OrderAlreadyEnded: ProblemType(409, "order-already-ended", "The order has already ended"),
}

CustomerId = Annotated[
    str, Field(min_length=1, max_length=64, examples=["cus_5f1d0c2b9a7e4d3c8b6a1f20"]), Plain
]
Sku = Annotated[str, Field(min_length=1, max_length=64, examples=["MUG-RED"]), Plain]
Limit = Annotated[int, Query(ge=1, le=100, description="Maximum number of entries in a page.")]

MAX_LINES_READ = 10 * domain.MAX_LINES
"""A longer list is refused as `invalid-request`: the validation stops after this number of lines. A shorter list that
breaks the domain's limit is refused as `too-many-lines`."""


class RequestedLine(BaseModel):
    """A product and its quantity."""

    model_config = ConfigDict(extra="forbid")

    sku: Sku
    # The domain checks the range and has a problem type for it. This field only documents the range.
    quantity: Annotated[
        StrictInt, Field(json_schema_extra={"minimum": 1, "maximum": domain.MAX_QUANTITY}, examples=[2])
    ]


class OrderRequest(RequestBody):
    """An order as the customer sends it."""

    customer_id: Annotated[
        CustomerId | None,
        Field(description="May be left out. A value must be the subject of the token, which is a pseudonym."),
    ] = None
    lines: Annotated[
        list[RequestedLine],
        Field(max_length=MAX_LINES_READ, json_schema_extra={"minItems": 1, "maxItems": domain.MAX_LINES}),
    ]
    currency: Currency
    payment_token: Annotated[
        SecretStr,
        Field(min_length=1, max_length=200, description="One-time reference to a card.", examples=["tok_ok"]),
        PlainSecret,
    ]
    deadline_seconds: Annotated[
        StrictInt | None,
        Field(
            ge=1, le=3600, description="Seconds after which the order is cancelled if it is still PENDING."
        ),
    ] = None

    def fingerprint(self, customer_id: str) -> dict[str, Any]:
        """The values that must be equal in a repeated request. They include the token. Only their hash is stored."""
        token = self.payment_token.get_secret_value()
        return self.model_dump(mode="json") | {"customer_id": customer_id, "payment_token": token}


class AcceptedOrder(BaseModel):
    """An order that was accepted. `GET` the URL in `Location` to read its outcome."""

    order_id: UUID
    state: OrderState
    total: Money
    deadline_at: datetime


class OrderSummary(BaseModel):
    """An order without its lines and history."""

    order_id: UUID
    customer_id: str
    state: OrderState
    reason: str | None = Field(description="Why the order was rejected or cancelled.")
    total: Money
    version: int
    placed_at: datetime
    deadline_at: datetime
    ended_at: datetime | None


class PricedLine(BaseModel):
    """A line of an order, with the price of one piece at the time of the order."""

    sku: str
    quantity: int
    unit_price: Money


class HistoryEntry(BaseModel):
    """One step of an order: its event, and the state after it."""

    event: str = Field(examples=["orders.order-placed.v1"])
    state: OrderState
    at: datetime
    reason: str | None = None


class OrderView(OrderSummary):
    """An order with its lines and its history."""

    lines: list[PricedLine]
    history: list[HistoryEntry]


class OrderPage(BaseModel):
    """Orders, newest first; `next_cursor` is null on the last page."""

    orders: list[OrderSummary]
    next_cursor: str | None


class ListedPrice(BaseModel):
    """A product that can be ordered. `version` is the product's version at which it got this price."""

    sku: str
    name: str
    price: Money
    version: int


class PricePage(BaseModel):
    """The price list by SKU; `next_cursor` is null on the last page."""

    prices: list[ListedPrice]
    next_cursor: str | None


async def read_settings(request: Request) -> Settings:
    """The settings of the service."""
    return cast(Settings, context_of(request).settings)


PLACED: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"description": "The URL of the order.", "schema": {"type": "string"}}}}
}


@router.post(
    "/orders",
    status_code=202,
    response_model=AcceptedOrder,
    summary="Place an order",
    responses=PLACED
    | problem_answers(
        _400="malformed-json",
        _403="role-missing, other-customer",
        _413="body-too-large",
        _429="overloaded, too-many-pending-orders, too-many-requests",
        _422="empty-order, too-many-lines, invalid-quantity, duplicate-sku, unknown-sku, "
        "currency-not-offered, total-too-large, idempotency-key-reused, invalid-request",
        _503="price-list-missing, database-unavailable",
    ),
    dependencies=[allow(Role.CUSTOMER)],
)
async def place_order(
    order: OrderRequest,
    database: Db,
    caller: CurrentCaller,
    settings: Annotated[Settings, Depends(read_settings)],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Accept an order of the caller, at the prices of `GET /prices`.

    It is PENDING until it is CONFIRMED, REJECTED or CANCELLED. With an `Idempotency-Key` the request can be repeated:
    it gets the first answer, and there is one order. The key belongs to the customer. Two customers may use the same
    key.
    """
    if order.customer_id not in (None, caller.subject):
        raise Problem(403, "other-customer", "The order names another customer", "Leave customer_id out.")
    command = _command(order, caller.subject, settings)
    domain.check_items(command.items)
    async with database.transaction() as tx:
        if first := await claim_or_replay(tx, idempotency_key, order.fingerprint(caller.subject)):
            return first
        placed = await handlers.place_order(tx, command)
        body = _accepted(placed).model_dump(mode="json")
        headers = {"Location": f"/orders/{placed.order_id}"}
        await remember(tx, idempotency_key, 202, body, headers)
    return JSONResponse(body, 202, headers)


@router.get(
    "/orders/{order_id}",
    summary="Read an order and its history",
    responses=problem_answers(_404="unknown-order", _422="invalid-request", _503="database-unavailable"),
    dependencies=[allow(Role.CUSTOMER, Role.OPERATOR)],
)
async def read_order(order_id: UUID, database: Db, caller: CurrentCaller) -> OrderView:
    """An order with its present state, its lines and its history. A customer reads only the customer's own orders."""
    async with database.reading() as connection:
        row = await db.order_of(connection, order_id)
    may_read_all = Role.OPERATOR in caller.roles
    if row is None or not (may_read_all or row.customer_id == caller.subject):
        raise domain.UnknownOrder(str(order_id))
    return _view(row)


@router.get(
    "/orders",
    summary="List the caller's orders",
    responses=problem_answers(
        _400="invalid-cursor", _404="unknown-customer", _422="invalid-request", _503="database-unavailable"
    ),
    dependencies=[allow(Role.CUSTOMER)],
)
async def list_orders(
    database: Db,
    cursors: CursorCodec,
    caller: CurrentCaller,
    customer_id: CustomerId | None = None,
    state: Annotated[OrderState | None, Query(description="Only orders in this state.")] = None,
    limit: Limit = 20,
    cursor: CursorParameter = None,
) -> OrderPage:
    """The caller's orders, newest first. `customer_id` may be left out. Another customer's is answered with 404."""
    if customer_id not in (None, caller.subject):
        raise Problem(404, "unknown-customer", "There is no such customer")
    before = None
    if cursor is not None:
        _, of_customer, before = cursors.decode(cursor, tuple[Literal["orders"], PositionText, UUID])
        if of_customer != caller.subject:
            raise Problem(400, "invalid-cursor", "The cursor is not valid", "It belongs to another listing.")
    async with database.reading() as connection:
        rows = await db.orders_of(connection, caller.subject, limit + 1, before, state)
    page, next_cursor = cursors.cut(rows, limit, lambda row: ["orders", caller.subject, str(row.id)])
    return OrderPage(orders=[_summary(row) for row in page], next_cursor=next_cursor)


@router.post(
    "/orders/{order_id}/cancel",
    status_code=202,
    summary="Cancel an order",
    responses=problem_answers(
        _404="unknown-order", _409="order-already-ended", _422="invalid-request", _503="database-unavailable"
    ),
    dependencies=[allow(Role.CUSTOMER)],
)
async def cancel_order(order_id: UUID, database: Db, caller: CurrentCaller) -> OrderView:
    """Cancel an order of the caller while it is PENDING. Its stock is released, and a charge is refunded.

    It is safe to repeat.
    """
    async with database.transaction() as tx:
        await handlers.cancel_order(tx, order_id, caller.subject)
    return await read_order(order_id, database, caller)


@router.get(
    "/prices",
    summary="Read the price list",
    responses=problem_answers(_400="invalid-cursor", _422="invalid-request", _503="database-unavailable"),
    dependencies=[allow(Role.CUSTOMER, Role.CLERK, Role.OPERATOR)],
)
async def list_prices(
    database: Db, cursors: CursorCodec, limit: Limit = 100, cursor: CursorParameter = None
) -> PricePage:
    """The price list of this service. The products in it can be ordered at these prices."""
    after = cursors.decode(cursor, tuple[Literal["prices"], PositionText])[1] if cursor is not None else None
    async with database.reading() as connection:
        rows = await db.price_page(connection, limit + 1, after)
    page, next_cursor = cursors.cut(rows, limit, lambda row: ["prices", row.sku])
    prices = [
        ListedPrice(
            sku=row.sku,
            name=row.name,
            price=Money.of_row(row.price_minor, row.currency),
            version=row.version,
        )
        for row in page
    ]
    return PricePage(prices=prices, next_cursor=next_cursor)


def _command(order: OrderRequest, customer_id: str, settings: Settings) -> handlers.PlaceOrder:
    seconds = order.deadline_seconds
    if seconds is None:
        seconds = settings.orders_deadline_seconds
    return handlers.PlaceOrder(
        customer_id=customer_id,
        items=[domain.Item(line.sku, line.quantity) for line in order.lines],
        currency=order.currency,
        payment_token=order.payment_token.get_secret_value(),
        time_limit=timedelta(seconds=seconds),
        most_pending=settings.orders_max_pending_per_customer,
    )


def _accepted(placed: handlers.OrderReceipt) -> AcceptedOrder:
    return AcceptedOrder(
        order_id=placed.order_id,
        state=OrderState.PENDING,
        total=placed.total,
        deadline_at=placed.deadline_at,
    )


def _summary(row: Row) -> OrderSummary:
    return OrderSummary(**_summarized(row))


def _view(row: Row) -> OrderView:
    lines = [
        PricedLine(
            sku=line["sku"],
            quantity=line["quantity"],
            unit_price=Money.of_row(line["unit_price_minor"], row.currency),
        )
        for line in row.lines
    ]
    return OrderView(**_summarized(row), lines=lines, history=row.history)


def _summarized(row: Row) -> dict[str, Any]:
    return {
        "order_id": row.id,
        "customer_id": row.customer_id,
        "state": row.state,
        "reason": row.reason,
        "total": Money.of_row(row.total_minor, row.currency),
        "version": row.version,
        "placed_at": row.placed_at,
        "deadline_at": row.deadline_at,
        "ended_at": row.ended_at,
    }
