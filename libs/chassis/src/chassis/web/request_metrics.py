"""Measures each request of the public port, by OpenTelemetry's semantic conventions for HTTP servers.

Not counted are answers of the HTTP server itself: 503 above the limit of connections, 400, 408 and 431 to a request
that it could not read.
"""

import time
from collections.abc import Iterable

from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.observability import metrics

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "_OTHER"
"""The method of a request with any other one, so that a client cannot make series."""
NO_ROUTE = ""
"""The route of a request that no route answers."""
BROKEN = 500


class RequestMetrics:
    """The part around the whole app. A request that is cancelled or raises an error counts as 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began_at = time.perf_counter()
        status = BROKEN

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, sent)
        finally:
            seconds = time.perf_counter() - began_at
            metrics.REQUESTS[_labels(scope, status)].observe(seconds)


def _labels(scope: Scope, status: int) -> tuple[str, str, str]:
    method = scope["method"]
    route = scope.get("route")
    return (method if method in METHODS else OTHER, NO_ROUTE if route is None else route.path, str(status))


def count_refusal(method: str, path: str) -> None:
    """Count a request that was refused with 429 before the app was called. `path` is that of a route."""
    metrics.REQUESTS[method, path, "429"].observe(0.0)


def start_at_zero(routes: Iterable[BaseRoute]) -> None:
    """Make the series of each route of the API: those of its success and of both faults of a server."""
    for context in iter_route_contexts(list(routes)):
        route = context.original_route
        if isinstance(route, APIRoute):
            path = context.path or NO_ROUTE
            for method in sorted(route.methods or ()):
                for status in (route.status_code or 200, 500, 503):
                    metrics.REQUESTS[method, path, str(status)]
