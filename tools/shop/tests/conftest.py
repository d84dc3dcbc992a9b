"""What the tests of the command share."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import uvicorn

from inventory.main import create_service
from inventory.settings import Settings
from shop.commands import dead_letters, outbox
from shop_stack.ports import SERVICES, free_base
from shop_stack.target import Target
from testkit.databases import MakeDatabase, TestDatabase


@pytest.fixture
async def inventory(database: MakeDatabase) -> AsyncIterator[tuple[TestDatabase, str]]:
    """inventory's API in a thread, and its database."""
    made = await database("inventory")
    port = free_base() + 2
    settings = Settings(database_url=made.url, kafka_bootstrap_servers="127.0.0.1:1", role="api")
    server = uvicorn.Server(uvicorn.Config(create_service(settings).asgi, port=port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    yield made, f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
async def shop(
    inventory: tuple[TestDatabase, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[asyncpg.Connection[Any]]:
    """The commands reach inventory; its database is open for the test."""
    made, url = inventory
    urls = dict.fromkeys(SERVICES, "http://127.0.0.1:1") | {"inventory": url}
    target = Target("test", urls, "", "", {}, Path(), Path(), Path())

    @contextmanager
    def connect() -> Iterator[Target]:
        yield target

    for module in (dead_letters, outbox):
        monkeypatch.setattr(module, "connect", connect)
    connection = await asyncpg.connect(made.owner_url)
    yield connection
    await connection.close()
