"""What the tests of the command share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from chassis.server import management_server_of
from inventory.main import create_service
from inventory.settings import Settings
from shop import rows
from shop.commands import dead_letters, outbox
from shop_stack.kafka_access import KafkaAccess
from shop_stack.ports import SERVICES, free_base, free_port
from shop_stack.target import Target
from testkit import trust_test_keys
from testkit.databases import MakeDatabase, TestDatabase

LETTER = """
    INSERT INTO dead_letters (consumer_group, topic, partition, "offset", key, headers, value, state, reason, error,
                              fingerprint)
    VALUES ('inventory', 'orders.order.v1', 0, $1, $2, '{}', 'x', $3, 'no-headers', 'no event', 'f')
"""

WriteLetter = Callable[..., Awaitable[None]]
"""`await write_letter(offset, key, state="PARKED")` puts a dead letter into the database of inventory."""


@pytest.fixture
def base() -> int:
    """Ports for a stack of the test's own, beside a shop that may be running."""
    return free_base()


@pytest.fixture
async def inventory(database: MakeDatabase) -> AsyncIterator[tuple[TestDatabase, str]]:
    """inventory's management port in a thread, and its database."""
    made = await database("inventory")
    port = free_port()
    settings = Settings(
        database_url=made.url,
        kafka_bootstrap_servers="127.0.0.1:1",
        role="api",
        http_management_port=port,
    )
    service = create_service(settings)
    server = management_server_of(service)

    async def serve() -> None:
        await trust_test_keys(service)
        async with service.runtime.running():
            await server.serve()

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    yield made, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def target(inventory: tuple[TestDatabase, str]) -> Target:
    """A shop of which inventory's management port alone answers."""
    nowhere = dict.fromkeys(SERVICES, "http://127.0.0.1:1")
    return Target(
        "test",
        nowhere,
        nowhere | {"inventory": inventory[1]},
        "",
        KafkaAccess(""),
        {},
        Path(),
        Path(),
        Path(),
    )


@pytest.fixture
async def write_letter(inventory: tuple[TestDatabase, str]) -> AsyncIterator[WriteLetter]:
    """Puts dead letters into the database of inventory; see WriteLetter."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(inventory[0].owner_url)

    async def write(offset: int, key: str, state: str = "PARKED") -> None:
        await connection.execute(LETTER, offset, key, state)

    yield write
    await connection.close()


@pytest.fixture
async def shop(
    inventory: tuple[TestDatabase, str], target: Target, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """The commands reach inventory; its database is open for the test."""

    @contextmanager
    def connect() -> Iterator[Target]:
        yield target

    for module in (dead_letters, outbox, rows):
        monkeypatch.setattr(module, "connect", connect)
    connection = await asyncpg.connect(inventory[0].owner_url)
    yield connection
    await connection.close()
