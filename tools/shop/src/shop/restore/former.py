"""What only the database knows that is replaced, if it can still be read.

Events that were not sent, and answers, were written once and never changed, so they are right even if other rows are
damaged. Of a payment that waits for the card processor's answer only the order is taken over.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from shop.restore import outbox
from shop.restore.findings import Stock
from shop.restore.known import LONGEST_TRANSACTION
from shop_observe.kafka_log import Entry
from shop_stack.postgres import Server


@dataclass(slots=True)
class Former:
    """The replaced database as far as it can be read."""

    unsent: list[Entry] = field(default_factory=list)
    """Events that Kafka does not have, in the order of each key."""
    answers: Sequence[Sequence[Any]] = ()
    """Rows of `idempotency_keys` with an answer, since the time."""
    stock: dict[str, Stock] = field(default_factory=dict)
    called: frozenset[str] = frozenset()
    """Orders whose payment waits for the card processor's answer."""


async def read(server: Server, service: str, sent: Collection[str], to: datetime) -> Former:
    """Read the replaced database. A table that cannot be read counts as empty, and so does a missing database."""
    former = Former()
    try:
        async with server.connected(service) as connection:
            former.unsent = await outbox.unsent_events(connection, service, sent)
            former.answers = [
                tuple(row) for row in await connection.fetch(_ANSWERS, to - LONGEST_TRANSACTION)
            ]
            former.stock = await stock(connection, service)
            if service == "payments":
                former.called = frozenset(row[0] for row in await connection.fetch(_CALLED))
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        pass  # it is damaged or gone, and that may be the reason for the restore
    return former


async def add_answers(connection: outbox.Connection, former: Former) -> None:
    """Let the restored service answer repeated requests as before."""
    await connection.executemany(_ADD_ANSWER, former.answers)


async def stock(connection: outbox.Connection, service: str) -> dict[str, Stock]:
    """SKU → the counts that no event tells; {} for a service other than inventory."""
    if service != "inventory":
        return {}
    rows = await connection.fetch("SELECT sku, initial, replenished FROM products")
    return {sku: Stock(initial, replenished) for sku, initial, replenished in rows}


_ANSWERS = """
    SELECT key, request_hash, status, body, headers, created_at FROM idempotency_keys
    WHERE status IS NOT NULL AND created_at >= $1
"""
_CALLED = "SELECT order_id::text FROM payments WHERE state IN ('CAPTURING', 'CANCELLING')"
_ADD_ANSWER = """
    INSERT INTO idempotency_keys (key, request_hash, status, body, headers, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (key) DO UPDATE SET status = excluded.status, body = excluded.body, headers = excluded.headers
    WHERE idempotency_keys.status IS NULL
"""
