"""What a service told others becomes a fact in its tables again, event by event.

A statement changes nothing if the table has the fact already.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import asyncpg

from shop.restore.facts import inventory, notifications, orders, payments
from shop_observe.kafka_log import Entry

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
More = Callable[[Entry], Mapping[str, Any] | None]
"""What a statement needs beside the event; None if it is not known."""

EVENT = """
    WITH e AS (
        SELECT $1::jsonb AS d, $2::text AS type, nullif($3::text, '') AS traceparent, $4::jsonb AS cause,
               $5::jsonb AS more
    )
"""
"""How each statement begins: `d` is the event's data, and `cause` has the form that services store."""

STATEMENTS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "orders": orders.STATEMENTS,
    "inventory": inventory.STATEMENTS,
    "payments": payments.STATEMENTS,
    "notifications": notifications.STATEMENTS,
    "analytics": {},  # it publishes no events: its tables follow from what it reads again
}
"""Service → event type → the statements that write the fact."""

LAST: Mapping[str, str] = {"payments": payments.OPEN_REFUNDS}
"""A statement after all events, which completes what they leave open."""


async def write_facts(
    connection: Connection, service: str, entries: Sequence[Entry], more: More
) -> list[Entry]:
    """Write the facts of a service's own events into its tables. Returns the events for which `more` is not known.

    `entries` are in the order of each key. A type without a statement has no row of its own.
    """
    statements = STATEMENTS[service]
    unknown = []
    for entry in entries:
        if entry.type not in statements:
            continue
        extra = more(entry)
        if extra is None:
            unknown.append(entry)
            continue
        for statement in statements[entry.type]:
            await connection.execute(EVENT + statement, *_parameters(entry, extra))
    if service in LAST:
        await connection.execute(LAST[service])
    return unknown


def _parameters(entry: Entry, extra: Mapping[str, Any]) -> tuple[str, ...]:
    cause = {
        "event_id": entry.causation_id or None,
        "correlation_id": entry.correlation_id,
        "traceparent": entry.traceparent or None,
    }
    return (entry.value.decode(), entry.type, entry.traceparent, json.dumps(cause), json.dumps(extra))
