"""Probes: `/livez` (the event loop turns, no dependency asked), `/readyz` (database, consumer assigned), `/metrics`.

Lag is no probe: a service that is behind must not be restarted for it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from chassis import dead_letters
from chassis.connection import Connection
from chassis.consumer import Consumer
from chassis.database import is_unavailable

router = APIRouter(tags=["health"], include_in_schema=False)


@router.get("/livez")
async def livez() -> dict[str, str]:
    """Answers as long as the event loop turns."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """200 if every check passes, otherwise 503 with what is wrong."""
    consumer: Consumer | None = request.app.state.consumer
    checks = {"database": await _ask(request, lambda db: db.execute(text("SELECT 1")))}
    if consumer is not None:
        checks["consumer"] = "ok" if consumer.assigned else "no partitions assigned yet"
    status = "ready" if set(checks.values()) == {"ok"} else "not ready"
    return JSONResponse({"status": status, "checks": checks}, 200 if status == "ready" else 503)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Counters in Prometheus' text format. What must be asked of the database is left as it was while that is away."""
    await _ask(request, dead_letters.count_open)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _ask(request: Request, question: Callable[[Connection], Awaitable[object]]) -> str:
    """Whether the database answers: `ok`, or that it is away."""
    try:
        async with asyncio.timeout(2.0), request.app.state.inbox.database.reading() as connection:
            await question(connection)
    except Exception as error:
        if not is_unavailable(error):
            raise
        return f"away: {type(error).__name__}"
    return "ok"
