"""A request that failed because a migration changed a prepared statement is handled once more."""

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
"""Errors of a prepared statement after a migration changed a column's type. When asyncpg raises one of them, it has
cleared its caches already, so a second try prepares the statement again.
"""


class RetryRoute(APIRoute):
    """A route that handles a request again, once, after one of the errors in `STALE_STATEMENT`.

    The transaction was rolled back, so the first try has no effect. A second failure is answered with 503.
    """

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, with a second try."""
        handle = super().get_route_handler()

        async def handle_twice(request: Request) -> Response:
            try:
                return await handle(request)
            except STALE_STATEMENT:
                return await handle(request)

        return handle_twice
