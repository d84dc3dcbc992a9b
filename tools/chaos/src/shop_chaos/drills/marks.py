"""What a cure must leave whole: the data of the shop, and the parts that had no fault."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import asyncpg
import httpx
from aiokafka.errors import KafkaError

from shop_chaos.system import System
from shop_observe.tail import LogUnreadable, reader
from shop_observe.topics import declared_topics
from shop_oracle.answers import read_ledger
from shop_oracle.errors import EvidenceMissing
from shop_stack.errors import UserError

TABLES: Mapping[str, str] = {
    "orders": "orders",
    "inventory": "reservations",
    "payments": "payments",
    "notifications": "notifications",
}
"""Service → the table of its business, from which no row is deleted."""
SECONDS = 30.0
FEW_RESTARTS = 2
"""So many healthy parts may be restarted by mistake. More is restarting everything."""
AWAY = (
    OSError,
    TimeoutError,
    KafkaError,
    LogUnreadable,
    EvidenceMissing,
    httpx.HTTPError,
    asyncpg.PostgresError,
)


async def measure(on: System) -> dict[str, Any]:
    """The data now: PostgreSQL's identity, rows by service, records by topic, movements of money.

    Raises UserError if a part does not answer.
    """
    try:
        async with on.stack.server.connected() as database:
            system = await database.fetchval("SELECT system_identifier::text FROM pg_control_system()")
        rows = {service: await _rows(on, service, table) for service, table in TABLES.items()}
        async with httpx.AsyncClient(timeout=SECONDS, trust_env=False) as client:
            movements = len(await read_ledger(client, on.target))
        return {"system": system, "rows": rows, "records": await _records(on), "movements": movements}
    except AWAY as error:
        raise UserError(
            f"The data of the shop cannot be read ({type(error).__name__}): see `shop status`."
        ) from None


async def _rows(on: System, service: str, table: str) -> int:
    async with on.stack.server.connected(service) as database:
        return int(await database.fetchval(f"SELECT count(*) FROM {table}"))


async def _records(on: System) -> dict[str, int]:
    """Topic → the sum of the end offsets of its partitions. It never becomes less."""
    names = [topic.name for topic in declared_topics(on.target.contracts) if not topic.compacted]
    async with reader(on.target, names) as consumer:
        ends: Mapping[Any, int] = await consumer.end_offsets(list(consumer.assignment()))
    return {name: sum(end for place, end in ends.items() if place.topic == name) for name in names}


def losses(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The data that is gone, one sentence each; [] if nothing is."""
    if before["system"] != now["system"]:
        return ["The databases were deleted and made anew: every order from before is gone."]
    found = [
        f"{count - now['rows'].get(service, 0)} rows of {service} were deleted."
        for service, count in before["rows"].items()
        if now["rows"].get(service, 0) < count
    ]
    found += [
        f"The topic {name} was deleted or emptied: it had {count} records."
        for name, count in before["records"].items()
        if now["records"].get(name, 0) < count
    ]
    if now["movements"] < before["movements"]:
        found.append("The card processor has lost its ledger.")
    return found


def restarted(starts: Mapping[str, int], before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The parts that were started since the start of the drill, also if the background did not see it."""
    changed = {part for part, process in now.items() if process and process != before.get(part)}
    return sorted(changed | {part for part, count in starts.items() if count})


def excess(parts: Collection[str], faulty: str) -> str:
    """One sentence if more healthy parts were restarted than by mistake; empty if not."""
    healthy = [part for part in parts if part != faulty]
    if len(healthy) <= FEW_RESTARTS:
        return ""
    return f"{len(healthy)} healthy parts were restarted ({', '.join(healthy)}): the fault was in {faulty} alone."
