"""Probes: `/livez` (the event loop turns, no dependency asked), `/readyz` (database, consumer assigned), `/metrics`.

Lag is no probe: a service that is behind must not be restarted for it.
"""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from chassis import dead_letters, telemetry
from chassis.consumer import Consumer
from chassis.database import Database, is_unavailable

CHECK_SECONDS = 2.0

router = APIRouter(tags=["health"], include_in_schema=False)


@router.get("/livez")
async def livez() -> dict[str, str]:
    """Answers as long as the event loop turns."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """200 if every check passes, otherwise 503 with what is wrong."""
    consumer: Consumer | None = request.app.state.consumer
    checks = {"database": await _database_answer(request.app.state.database)}
    if consumer is not None:
        checks["consumer"] = "ok" if consumer.assigned else "no partitions assigned yet"
    ready = all(answer == "ok" for answer in checks.values())
    status = "ready" if ready else "not ready"
    return JSONResponse({"status": status, "checks": checks}, 200 if ready else 503)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Counters in Prometheus' text format. What must be asked of the database is left as it was while that is away."""
    database: Database = request.app.state.database
    try:
        async with asyncio.timeout(CHECK_SECONDS), database.reading() as connection:
            for group, letters in await dead_letters.count_open(connection):
                telemetry.DEAD_LETTERS_OPEN.labels(group).set(letters)
    except Exception as error:
        if not is_unavailable(error):
            raise
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _database_answer(database: Database) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS), database.reading() as connection:
            await connection.execute(text("SELECT 1"))
    except Exception as error:
        if not is_unavailable(error):
            raise
        return f"away: {type(error).__name__}"
    return "ok"
