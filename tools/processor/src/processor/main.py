"""The HTTP API and the process: `python -m processor.main`."""

import asyncio
import functools
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from processor import cards
from processor.ledger import Ledger
from processor.settings import Settings, from_environment

IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=200)]
Currency = Annotated[str, Field(pattern="^[A-Z]{3}$")]
LARGEST = 2**63 - 1
"""The largest integer that SQLite holds."""
Minor = Annotated[int, Field(ge=0, le=LARGEST)]


class WrongKey(Exception):
    """The request has not the API key of the merchant."""


class ChargeRequest(BaseModel):
    token: str = Field(min_length=1, max_length=200)
    amount_minor: Minor
    currency: Currency
    reference: str = Field(max_length=200)


class RefundRequest(BaseModel):
    amount_minor: Minor
    currency: Currency


def create_app(settings: Settings) -> FastAPI:
    ledger = Ledger(settings.ledger)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        ledger.close()

    app = FastAPI(title="Sandbox card processor", version="0.1.0", lifespan=lifespan)
    app.add_exception_handler(cards.Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(WrongKey, _unauthorized)
    app.include_router(
        _charges(ledger, settings.slow_seconds), dependencies=[_key_required(settings.api_key)]
    )
    app.include_router(_reading(ledger))
    return app


def _key_required(api_key: str) -> Any:
    """A dependency of routes that raises WrongKey without `Authorization: Bearer` and the API key."""
    expected = f"Bearer {api_key}".encode()

    async def check(request: Request) -> None:
        given = request.headers.get("authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, expected):
            raise WrongKey

    return Depends(check)


def _charges(ledger: Ledger, slow_seconds: float) -> APIRouter:
    """The routes that move money."""
    router = APIRouter()

    @router.post("/charges", status_code=201, summary="Charge a card, once per Idempotency-Key")
    async def post_charge(body: ChargeRequest, key: IdempotencyKey) -> JSONResponse:
        answer = await ledger.write(
            functools.partial(
                cards.charge,
                key=key,
                token=body.token,
                amount_minor=body.amount_minor,
                currency=body.currency,
                reference=body.reference,
            )
        )
        is_slow = cards.kind_of(body.token) == "tok_slow" and answer.status == 201
        if is_slow and not answer.replayed:
            # The charge is in the ledger already: a client that gives up now must ask again with the same key.
            await asyncio.sleep(slow_seconds)
        return JSONResponse(answer.body, answer.status)

    @router.post("/charges/{charge_id}/refunds", status_code=201, summary="Refund a charge, once")
    async def post_refund(charge_id: str, body: RefundRequest, key: IdempotencyKey) -> JSONResponse:
        answer = await ledger.write(
            functools.partial(
                cards.refund,
                key=key,
                charge_id=charge_id,
                amount_minor=body.amount_minor,
                currency=body.currency,
            )
        )
        return JSONResponse(answer.body, answer.status)

    return router


def _reading(ledger: Ledger) -> APIRouter:
    """The routes that change nothing."""
    router = APIRouter()

    @router.get("/ledger", summary="Entries after an entry_id, and the totals of the whole ledger")
    async def get_ledger(
        after: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
        limit: Annotated[int | None, Query(ge=1, le=LARGEST)] = None,
    ) -> dict[str, Any]:
        return await ledger.read(functools.partial(cards.read_ledger, after=after, limit=limit or -1))

    @router.get("/livez", summary="The event loop runs")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz", summary="The ledger can be read")
    async def readyz() -> dict[str, str]:
        await ledger.read(lambda db: db.execute("SELECT count(*) FROM entries WHERE entry_id = 0").fetchone())
        return {"status": "ok"}

    return router


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, cards.Refused)
    return _problem(error.status, error.slug, str(error))


async def _unauthorized(_: Request, __: Exception) -> JSONResponse:
    answer = _problem(401, "unauthorized", "a charge or a refund needs the API key of the merchant")
    answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # FastAPI's own answer would repeat the input, and so the card token.
    detail = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    return _problem(422, "invalid-request", detail)


def _problem(status: int, slug: str, detail: str) -> JSONResponse:
    body = {"type": f"urn:shopfloor:problem:{slug}", "title": slug, "status": status, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")


def main() -> None:
    settings = from_environment()
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    main()
