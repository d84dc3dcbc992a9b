"""A connection to the database of a service, for the checks of a lab."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from shop_stack.errors import UserError
from shop_stack.target import Target


@asynccontextmanager
async def database(target: Target, service: str) -> AsyncIterator[Any]:
    """A connection to the database of a service. Raises UserError if the database does not answer."""
    try:
        connection = await asyncpg.connect(target.database_urls[service], timeout=10)
        try:
            yield connection
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UserError(
            f"The database of {service} does not answer ({error}): start the shop again, as the page says."
        ) from None
