"""The HTTP API. A route that changes data opens a transaction, calls one handler, and commits before it answers.

A route that only reads opens no transaction.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, StrictInt

from chassis.web import (
    CursorCodec,
    CursorParameter,
    Db,
    GuardedRoute,
    IdempotencyKey,
    Plain,
    PositionText,
    ProblemType,
    RequestBody,
    claim_or_replay,
    problem_answers,
    remember,
)
from chassis.web.access import Role, allow
from inventory import domain, handlers
from inventory.domain import LARGEST_INITIAL_STOCK, LARGEST_PRICE_MINOR, LARGEST_REPLENISHMENT, State

PROBLEMS: Mapping[type[Exception], ProblemType] = {
    domain.InvalidSku: ProblemType(422, "invalid-sku", "Not a SKU"),
    domain.InvalidPrice: ProblemType(422, "invalid-price", "Not a price"),
    domain.InvalidQuantity: ProblemType(422, "invalid-quantity", "Quantity out of range"),
    domain.ProductAlreadyListed: ProblemType(409, "product-already-listed", "Product already listed"),
    domain.UnknownProduct: ProblemType(404, "unknown-product", "Unknown product"),
    domain.UnknownReservation: ProblemType(404, "unknown-reservation", "Unknown reservation"),
    domain.UnknownRepublication: ProblemType(404, "unknown-republication", "Unknown republication"),
}

router = APIRouter(route_class=GuardedRoute)


# --- Shapes ---------------------------------------------------------------------------------------

# The domain checks SKU, price and quantity, and has a problem type for each mistake. The schema only documents
# these rules in the OpenAPI file.
_SKU_RULE = {"pattern": "^[A-Za-z0-9._-]{1,64}$"}
Sku = Annotated[
    str, Field(description="Stock keeping unit", examples=["mug-blue"], json_schema_extra=_SKU_RULE)
]
SkuInPath = Annotated[str, Path(description="Stock keeping unit", json_schema_extra=_SKU_RULE)]


def _between(smallest: int, largest: int) -> dict[str, Any]:
    return {"minimum": smallest, "maximum": largest}


class Price(RequestBody):
    """An amount in minor units (cents) of an active ISO 4217 currency."""

    amount_minor: Annotated[StrictInt, Field(json_schema_extra=_between(1, LARGEST_PRICE_MINOR))]
    currency: Annotated[str, Field(examples=["EUR"], json_schema_extra={"pattern": "^[A-Z]{3}$"})]


class NewProduct(RequestBody):
    """A product to offer, with its first stock (pieces)."""

    sku: Sku
    name: Annotated[str, Field(min_length=1, max_length=200), Plain]
    price: Price
    on_hand: Annotated[StrictInt, Field(json_schema_extra=_between(0, LARGEST_INITIAL_STOCK))]


class Replenishment(RequestBody):
    """Pieces to add to a product's stock."""

    quantity: Annotated[StrictInt, Field(json_schema_extra=_between(1, LARGEST_REPLENISHMENT))]


class Product(BaseModel):
    """A product, its price and its stock in pieces: ``initial + replenished = on_hand + sold``."""

    sku: str
    name: str
    price: Price
    version: Annotated[int, Field(description="1 when listed; each new price adds 1")]
    initial: int
    replenished: int
    on_hand: Annotated[int, Field(description="Pieces in the warehouse, with the reserved ones")]
    reserved: Annotated[int, Field(description="Reserved for orders that have not ended")]
    sold: int
    available: Annotated[int, Field(description="on_hand - reserved")]

    @classmethod
    def of(cls, product: domain.Product) -> Self:
        """The product as the API shows it."""
        return cls(
            sku=product.sku,
            name=product.name,
            price=Price(amount_minor=product.price_minor, currency=product.currency),
            version=product.version,
            initial=product.initial,
            replenished=product.replenished,
            on_hand=product.on_hand,
            reserved=product.reserved,
            sold=product.sold,
            available=product.available,
        )


class ProductPage(BaseModel):
    """Products in the order of their SKUs."""

    products: list[Product]
    next_cursor: Annotated[
        str | None, Field(description="Send it as `cursor` to get the next page; null on the last page")
    ]


class Line(BaseModel):
    """A SKU and a number of pieces."""

    sku: str
    quantity: int


class Reservation(BaseModel):
    """The stock of an order. TOMBSTONE: the order was rejected or cancelled before `order-placed` arrived."""

    order_id: UUID
    state: State
    lines: list[Line]
    version: int
    decided_at: Annotated[
        datetime | None,
        Field(
            description="When stock was reserved or refused; null for a tombstone, and if it ended before 0.2.0"
        ),
    ]
    ended_at: Annotated[
        datetime | None,
        Field(description="When the stock was sold or released, or the tombstone was written"),
    ]
    updated_at: Annotated[
        datetime,
        Field(deprecated=True, description="Read `decided_at` and `ended_at`: this is the later one"),
    ]


class Republication(BaseModel):
    """The progress of a republication of the catalogue."""

    id: UUID
    products: Annotated[int, Field(description="Number of products that were published so far")]
    requested_at: datetime
    finished_at: Annotated[datetime | None, Field(description="null while the republication is running")]

    @classmethod
    def of(cls, republication: domain.Republication) -> Self:
        """The republication as the API shows it."""
        return cls(**asdict(republication))


# --- Products -------------------------------------------------------------------------------------


@router.post(
    "/products",
    status_code=201,
    response_model=Product,
    summary="List a product",
    tags=["products"],
    responses=problem_answers(
        _409="product-already-listed",
        _422="invalid-sku, invalid-price, invalid-quantity, invalid-request, idempotency-key-reused",
    ),
    dependencies=[allow(Role.CLERK)],
)
async def list_product(
    new: NewProduct, database: Db, response: Response, idempotency_key: IdempotencyKey = None
) -> Product | JSONResponse:
    """List a product with its first stock. Publishes `inventory.product-listed.v1`."""
    headers = {"Location": f"/products/{new.sku}"}
    async with database.transaction() as tx:
        if first := await claim_or_replay(tx, idempotency_key, new):
            return first
        product = await handlers.list_product(
            tx,
            sku=new.sku,
            name=new.name,
            price_minor=new.price.amount_minor,
            currency=new.price.currency,
            on_hand=new.on_hand,
        )
        body = Product.of(product)
        await remember(tx, idempotency_key, 201, body.model_dump(mode="json"), headers)
    response.headers.update(headers)
    return body


@router.put(
    "/products/{sku}/price",
    summary="Give a product a new price",
    tags=["products"],
    responses=problem_answers(_404="unknown-product", _422="invalid-sku, invalid-price, invalid-request"),
    dependencies=[allow(Role.CLERK)],
)
async def price_product(sku: SkuInPath, price: Price, database: Db) -> Product:
    """Set a new price. Publishes `inventory.product-priced.v1` with the product's next version."""
    async with database.transaction() as tx:
        product = await handlers.price_product(
            tx, sku=sku, price_minor=price.amount_minor, currency=price.currency
        )
    return Product.of(product)


@router.post(
    "/products/{sku}/replenish",
    response_model=Product,
    summary="Add pieces to a product's stock",
    tags=["products"],
    responses=problem_answers(
        _404="unknown-product",
        _422="invalid-sku, invalid-quantity, invalid-request, idempotency-key-reused",
    ),
    dependencies=[allow(Role.CLERK)],
)
async def replenish_product(
    sku: SkuInPath, replenishment: Replenishment, database: Db, idempotency_key: IdempotencyKey = None
) -> Product | JSONResponse:
    """Add pieces to the stock. A repeated request with the same `Idempotency-Key` adds them once."""
    request = {"sku": sku, **replenishment.model_dump()}
    async with database.transaction() as tx:
        if first := await claim_or_replay(tx, idempotency_key, request):
            return first
        product = await handlers.replenish_product(tx, sku=sku, quantity=replenishment.quantity)
        body = Product.of(product)
        await remember(tx, idempotency_key, 200, body.model_dump(mode="json"))
    return body


@router.get(
    "/products",
    summary="List all products, page by page",
    tags=["products"],
    responses=problem_answers(_400="invalid-cursor", _422="invalid-request"),
    dependencies=[allow(Role.CLERK, Role.OPERATOR)],
)
async def read_products(
    database: Db,
    cursors: CursorCodec,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: CursorParameter = None,
) -> ProductPage:
    """Products in the order of their SKUs."""
    after = cursors.decode(cursor, tuple[PositionText])[0] if cursor is not None else ""
    async with database.reading() as connection:
        products = await handlers.read_products(connection, after, limit + 1)
    page, next_cursor = cursors.cut(products, limit, lambda product: [product.sku])
    return ProductPage(products=[Product.of(product) for product in page], next_cursor=next_cursor)


@router.get(
    "/products/{sku}",
    summary="Read one product and its stock",
    tags=["products"],
    responses=problem_answers(_404="unknown-product", _422="invalid-sku"),
    dependencies=[allow(Role.CLERK, Role.OPERATOR)],
)
async def read_product(sku: SkuInPath, database: Db) -> Product:
    """The product with its present price and stock."""
    async with database.reading() as connection:
        return Product.of(await handlers.read_product(connection, sku))


# --- Republication of the catalogue ---------------------------------------------------------------


@router.post(
    "/products/republish",
    status_code=202,
    response_model=Republication,
    summary="Publish the whole catalogue again",
    tags=["products"],
    dependencies=[allow(Role.OPERATOR)],
)
async def republish_catalogue(database: Db) -> JSONResponse:
    """Publish the present state of each product again, with its present version.

    It is for services whose copy of the catalogue is incomplete because Kafka lost the topic. A reader that already has
    this version ignores the event. A worker publishes page by page. While a republication is running, a further request
    returns that republication.
    """
    async with database.transaction() as tx:
        republication = await handlers.open_republication(tx)
    body = Republication.of(republication).model_dump(mode="json")
    return JSONResponse(body, 202, {"Location": f"/republications/{republication.id}"})


@router.get(
    "/republications/{republication_id}",
    summary="Read the progress of a republication",
    tags=["products"],
    responses=problem_answers(_404="unknown-republication", _422="invalid-request"),
    dependencies=[allow(Role.OPERATOR)],
)
async def read_republication(republication_id: UUID, database: Db) -> Republication:
    """The progress of a republication."""
    async with database.reading() as connection:
        return Republication.of(await handlers.read_republication(connection, republication_id))


# --- Reservations ---------------------------------------------------------------------------------


@router.get(
    "/reservations/{order_id}",
    summary="Read the reservation of an order",
    tags=["reservations"],
    responses=problem_answers(_404="unknown-reservation", _422="invalid-request"),
    dependencies=[allow(Role.CLERK, Role.OPERATOR)],
)
async def read_reservation(order_id: UUID, database: Db) -> Reservation:
    """The reservation of an order, in any state."""
    async with database.reading() as connection:
        reservation, times = await handlers.read_reservation(connection, order_id)
    return Reservation(
        order_id=reservation.order_id,
        state=reservation.state,
        lines=[Line(sku=line.sku, quantity=line.quantity) for line in reservation.lines],
        version=reservation.version,
        decided_at=times.decided_at,
        ended_at=times.ended_at,
        updated_at=times.last,
    )
