"""The migrations and the tables that the code knows say the same."""

from collections.abc import Awaitable, Callable
from typing import Any

from notifications.db import metadata
from testkit import differences


async def test_migrating_gives_exactly_the_tables_that_the_code_knows(
    database: Callable[[str], Awaitable[Any]],
) -> None:
    assert await differences((await database("notifications")).owner_url, metadata) == []
