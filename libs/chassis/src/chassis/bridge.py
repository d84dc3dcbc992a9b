"""Sends the outboxes of a shop without Kafka to Kafka, window by window: `python -m chassis.bridge`.

A process whose modules have no Kafka has no relay. Before one of its modules gets a process of its own, Kafka must have
the events of all modules (docs/decisions/0063). The program that moves the module starts this one, writes one JSON
object per line to its standard input, and reads one per line from its standard output:

    {"modules": {"orders": {"database": "postgresql://…", "kafka": {"bootstrap_servers": "…"}}}}
    {"since": "3:3:", "until": "812:812:"}      → {"sent": 40}

The first line says where the outboxes are, and how each owner logs in to Kafka (arguments of aiokafka's clients). Each
further line is a window: the rows that are visible in the snapshot `until` and not in `since`. The answer is how many
there were, when the brokers have all of them, or `{"error": "…"}`. A window may be sent again: readers drop duplicates,
and the first copies of a key's events are in their order. The program ends when its input ends.
"""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import asyncpg
import structlog

from chassis.errors import Unavailable
from chassis.kafka import KafkaPublisher
from chassis.outbox import RowsNotSent
from chassis.outbox.windows import rows_between
from chassis.postgres import Driver, connect

STATEMENT_SECONDS = 600.0
"""Seconds for one statement. The first window has all rows of an outbox."""


@dataclass(frozen=True, slots=True)
class Outbox:
    """The outbox of one module, and the publisher with the login of its owner."""

    connection: Driver
    publisher: KafkaPublisher

    async def send(self, since: str, until: str) -> int:
        """Send one window. Returns the number of its rows. Raises as `KafkaPublisher.send` does."""
        sent = 0
        async for rows in rows_between(self.connection, since, until):
            await self.publisher.send(rows)
            sent += len(rows)
        return sent


async def main() -> None:
    """Send windows until the input ends."""
    # The answers alone are on standard output.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as opened:
        outboxes: list[Outbox] = []
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            request: dict[str, Any] = json.loads(line)
            answer = await _answer(opened, outboxes, request)
            print(json.dumps(answer), flush=True)


async def _answer(
    opened: AsyncExitStack, outboxes: list[Outbox], request: Mapping[str, Any]
) -> Mapping[str, Any]:
    try:
        if "modules" in request:
            outboxes += [await _open(opened, name, **at) for name, at in request["modules"].items()]
            return {"outboxes": len(outboxes)}
        return {"sent": await _send(outboxes, request["since"], request["until"])}
    except RowsNotSent as error:
        return {"error": f"Kafka refuses {len(error.unsent)} events: {error.unsent[0].error}"}
    except (Unavailable, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


async def _send(outboxes: Sequence[Outbox], since: str, until: str) -> int:
    return sum(await asyncio.gather(*(outbox.send(since, until) for outbox in outboxes)))


async def _open(opened: AsyncExitStack, name: str, database: str, kafka: Mapping[str, Any]) -> Outbox:
    connection = await connect(database, STATEMENT_SECONDS)
    opened.callback(connection.terminate)
    publisher = KafkaPublisher(kafka, f"/{name}")
    opened.push_async_callback(publisher.close)
    return Outbox(connection, publisher)


if __name__ == "__main__":
    asyncio.run(main())
