"""Reads the services' databases, each in one snapshot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

from shop_oracle.errors import EvidenceMissing, said_by
from shop_oracle.evidence import (
    DeadLetter,
    Evidence,
    Message,
    Order,
    Payment,
    Product,
    Refund,
    Reservation,
    Written,
)
from shop_stack.target import Target

READ_SECONDS = 120.0
"""How long a database may take over one table, or over the next rows of one. A server that is silent for longer is
given up."""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def dump_databases(target: Target, evidence: Evidence) -> None:
    """Read every database, each in one snapshot."""
    await asyncio.gather(*(dump(service, url, evidence) for service, url in target.database_urls.items()))


@asynccontextmanager
async def snapshot(service: str, url: str) -> AsyncIterator[Connection]:
    """A connection in a transaction that sees one moment of a database. It cannot write.

    Raises EvidenceMissing if the database does not answer or cannot be read, also in the context.
    """
    try:
        connection: Connection = await asyncpg.connect(url, timeout=10, command_timeout=READ_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise EvidenceMissing(
            f"The database of {service} does not answer ({said_by(error)}). Is the shop up? See `shop status`."
        ) from None
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield connection
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise EvidenceMissing(
            f"The database of {service} cannot be read ({said_by(error)}): see `shop status` and `shop logs postgres`."
        ) from None
    finally:
        connection.terminate()


async def dump(service: str, url: str, evidence: Evidence) -> None:
    """Read a database in one snapshot. Raises EvidenceMissing."""
    async with snapshot(service, url) as connection:
        await dump_chassis(service, connection, evidence)
        if own := DUMPS.get(service):
            await own(connection, evidence)


async def dump_chassis(service: str, connection: Connection, evidence: Evidence) -> None:
    rows = await connection.fetch("SELECT event_id::text, topic, key, type, time FROM outbox")
    evidence.outbox += [Written(service, *row) for row in rows]
    for group, source, event_id in await connection.fetch(
        "SELECT consumer_group, source, event_id::text FROM inbox"
    ):
        evidence.inbox.setdefault(group, set()).add((source, event_id))
    rows = await connection.fetch(
        "SELECT consumer_group, topic, partition, \"offset\", event_id::text, reason, state = 'DISCARDED'"
        " FROM dead_letters"
    )
    evidence.dead_letters += [
        DeadLetter(group, (t, p, o), event_id or "", reason, is_discarded)
        for group, t, p, o, event_id, reason, is_discarded in rows
    ]


async def dump_orders(connection: Connection, evidence: Evidence) -> None:
    rows = await connection.fetch(
        "SELECT id::text, state, coalesce(reason, ''), total_minor, currency, placed_at, deadline_at, ended_at,"
        " coalesce(traceparent, '') FROM orders"
    )
    evidence.orders = {row[0]: Order(*row) for row in rows}


async def dump_inventory(connection: Connection, evidence: Evidence) -> None:
    rows = await connection.fetch("SELECT sku, initial, replenished, on_hand, reserved, sold FROM products")
    evidence.products = {row[0]: Product(*row) for row in rows}
    rows = await connection.fetch("SELECT order_id::text, state, lines::text FROM reservations")
    evidence.reservations = {
        order_id: Reservation(order_id, state, pieces(json.loads(lines))) for order_id, state, lines in rows
    }


def pieces(lines: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, int], ...]:
    return tuple((line["sku"], line["quantity"]) for line in lines)


async def dump_payments(connection: Connection, evidence: Evidence) -> None:
    rows = await connection.fetch(
        "SELECT order_id::text, payment_id::text, state, amount_minor, currency FROM payments"
    )
    evidence.payments = {row[0]: Payment(*row) for row in rows}
    rows = await connection.fetch(
        "SELECT refund_id::text, order_id::text, amount_minor, currency, state FROM refunds"
    )
    evidence.refunds = [Refund(*row) for row in rows]


async def dump_notifications(connection: Connection, evidence: Evidence) -> None:
    rows = await connection.fetch("SELECT id::text, order_id::text, kind, state FROM notifications")
    evidence.messages = [Message(*row) for row in rows]


async def dump_analytics(connection: Connection, evidence: Evidence) -> None:
    rows = await connection.fetch(
        "SELECT order_id::text, order_state, nullif(order_version, 0) AS order_version,"
        " reservation_state, nullif(reservation_version, 0) AS reservation_version,"
        " payment_state, nullif(payment_version, 0) AS payment_version, total_minor, currency, refunded_minor"
        " FROM order_facts"
        " WHERE generation = (SELECT generation FROM projection_state WHERE state = 'ACTIVE')"
    )
    evidence.facts = {row["order_id"]: dict(row) for row in rows}


DUMPS = {
    "orders": dump_orders,
    "inventory": dump_inventory,
    "payments": dump_payments,
    "notifications": dump_notifications,
    "analytics": dump_analytics,
}
