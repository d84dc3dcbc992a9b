"""A server that is connected and gives no answer: the oracle says so, and ends.

A table that another transaction locks is as silent as a server that was stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from shop_observe.topics import declared_topics
from shop_oracle import databases, quiet
from shop_oracle.errors import EvidenceMissing
from shop_oracle.evidence import Evidence
from shop_oracle.quiet import wait_for_rest
from shop_stack.target import Target
from testkit.databases import MakeDatabase

CONTRACTS = next(
    p for parent in Path(__file__).parents if (p := parent / "contracts" / "topics.yaml").exists()
).parent
FAR_TOO_LONG = 60


@pytest.fixture
async def silent(database: MakeDatabase) -> AsyncIterator[str]:
    """The URL of a database that answers no question about its outbox."""
    made = await database("orders")
    owner = await asyncpg.connect(made.url)
    async with owner.transaction():
        await owner.execute("LOCK TABLE outbox")
        yield made.url
    await owner.close()


async def test_a_wait_for_rest_ends_although_a_server_is_silent(
    silent: str, kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "LOOK_SECONDS", 2.0)
    target = Target("test", {}, {}, "", kafka, {"orders": silent}, tmp_path, CONTRACTS, tmp_path)
    async with asyncio.timeout(FAR_TOO_LONG):
        unrest = await wait_for_rest(target, declared_topics(CONTRACTS), 0.1)
    assert unrest == ["a database or Kafka does not answer (TimeoutError)"]


async def test_a_database_that_falls_silent_is_named(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "READ_SECONDS", 0.2)
    async with asyncio.timeout(FAR_TOO_LONG):
        with pytest.raises(EvidenceMissing, match="of orders cannot be read .TimeoutError"):
            await databases.dump("orders", silent, Evidence())
