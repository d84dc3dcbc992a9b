"""Requests that met a prepared statement from before a migration are handled once more."""

from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg
from fastapi import Request, Response
from fastapi.routing import APIRoute

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

STALE_STATEMENT = (
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)
"""A column's type was changed under a prepared statement. asyncpg has dropped its caches when it raises these."""


class RetryRoute(APIRoute):
    """A route whose request is handled again, once, after its transaction met a stale statement.

    The transaction was rolled back, so the first try has no effect. A second failure is answered with 503.
    """

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, with the second try around it."""
        handle = super().get_route_handler()

        async def handle_twice(request: Request) -> Response:
            try:
                return await handle(request)
            except STALE_STATEMENT:
                return await handle(request)

        return handle_twice
