"""Probes: `/livez` (the event loop runs), `/readyz` (the database answers, the consumer is assigned), `/metrics`.

Consumer lag is not a probe: a service that is behind must not be restarted for it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from chassis.errors import is_unavailable
from chassis.inbox import dead_letters
from chassis.outbox import operate
from chassis.postgres import Connection
from chassis.web.context import context_of

PATHS = ("livez", "readyz", "metrics")
ANSWER_SECONDS = 2.0

router = APIRouter(tags=["health"], include_in_schema=False)


@router.get("/livez")
async def livez() -> dict[str, str]:
    """Answers as long as the event loop runs. It asks no dependency."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """200 if every check passes, otherwise 503 with what is wrong."""
    checks = {"database": await _ask_database(request, _select_one)}
    checks |= {name: check() for name, check in context_of(request).readiness.items()}
    is_ready = set(checks.values()) == {"ok"}
    body = {"status": "ready" if is_ready else "not ready", "checks": checks}
    return JSONResponse(body, 200 if is_ready else 503)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Metrics in Prometheus' text format. While the database is away, its metrics keep their last values."""
    await _ask_database(request, _measure)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _measure(connection: Connection) -> None:
    await dead_letters.count_open(connection)
    await operate.measure(connection)


async def _select_one(connection: Connection) -> None:
    await connection.execute(text("SELECT 1"))


async def _ask_database(request: Request, question: Callable[[Connection], Awaitable[object]]) -> str:
    """`ok`, or that the database is away."""
    database = context_of(request).background_database
    try:
        async with asyncio.timeout(ANSWER_SECONDS), database.reading() as connection:
            await question(connection)
    except Exception as error:
        if not is_unavailable(error):
            raise
        return f"away: {type(error).__name__}"
    return "ok"
