"""Probes: `/livez` (the event loop runs), `/readyz` (what this process can do now), `/metrics`. On the management port.

Consumer lag is not a probe, because a restart does not help a consumer that lags.
"""

import asyncio
from collections.abc import Mapping
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from chassis.errors import is_unavailable
from chassis.outbox import Database
from chassis.web import gauges
from chassis.web.access import PUBLIC
from chassis.web.context import context_of
from chassis.web.guarded_route import GuardedRoute
from chassis.web.issuer_keys import ISSUER

PATHS = ("livez", "readyz", "metrics")
ANSWER_SECONDS = 2.0
OPEN_METRICS = "application/openmetrics-text"
REQUESTS = "database"
BACKGROUND = "database_background"
PROCESS = "process"
REQUIRED: Mapping[str, frozenset[str]] = {
    "api": frozenset({PROCESS, REQUESTS, ISSUER}),
    "all": frozenset({PROCESS, REQUESTS, ISSUER}),
    "worker": frozenset({PROCESS, BACKGROUND, "consumer", "reader", "relay"}),
}
"""Role → the checks that must succeed (docs/decisions/0023)."""

router = APIRouter(tags=["health"], include_in_schema=False, route_class=GuardedRoute, dependencies=[PUBLIC])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """200 while the event loop runs. No dependency is asked."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(request: Request, require: Literal["role", "all"] = "role") -> Response:
    """200 `ready` or `degraded`, or 503 `not ready`, with every check and the time of each task's last change.

    From SIGTERM on it is 503: the check `process` is `is shutting down`, while requests in progress are answered.
    `degraded`: a check failed that this process's role does not require. With `?require=all` that is 503, too.
    """
    context = context_of(request)
    requests, background = await asyncio.gather(
        _database_check(context.database), _database_check(context.background_database)
    )
    checks: dict[str, str] = {PROCESS: context.process.phase, REQUESTS: requests, BACKGROUND: background}
    checks |= {name: status.text for name, status in context.tasks.items()}
    failed = {name for name, check in checks.items() if check != "ok"}
    required = checks.keys() if require == "all" else REQUIRED[context.settings.role]
    is_ready = failed.isdisjoint(required)
    body = {
        "status": ("degraded" if failed else "ready") if is_ready else "not ready",
        "checks": checks,
        "since": {name: status.since for name, status in context.tasks.items()},
    }
    return JSONResponse(body, 200 if is_ready else 503)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Metrics in Prometheus' text format, or in OpenMetrics' if the caller accepts it. Only that one has exemplars."""
    await gauges.measure(context_of(request))
    if OPEN_METRICS in request.headers.get("accept", ""):
        rich: bytes = openmetrics.generate_latest(REGISTRY)  # type: ignore[no-untyped-call]
        return Response(rich, media_type=openmetrics.CONTENT_TYPE_LATEST)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _database_check(database: Database) -> str:
    """`ok`, or `away` with the error if the database is unavailable."""
    try:
        await database.check(ANSWER_SECONDS)
    except Exception as error:
        if not is_unavailable(error):
            raise
        return f"away: {type(error.__cause__ or error).__name__}"
    return "ok"
