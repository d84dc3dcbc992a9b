"""Reads what the canary and the running release did since a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import asyncpg

from shop_lab.canary.judgement import Seen
from shop_lab.canary.keys import Tries, by_release, violations_of
from shop_observe.handled import handlings
from shop_oracle.gather import gather
from shop_oracle.report import judge
from shop_stack.errors import UserError
from shop_stack.target import Target

SETTLED = timedelta(seconds=15)
"""An order is judged by the oracle if it ended so long ago: by then its last events were handled."""
REST_SECONDS = 20.0
"""The longest time that the oracle waits. A shop with customers does not come to rest, and is judged all the same."""
Place = tuple[str, int]
"""(topic, partition)."""


@dataclass
class Watch:
    """Observes one service of a running shop since a moment."""

    target: Target
    service: str
    canary: str
    """The version of the release on trial."""
    since: datetime
    partitions: set[Place] = field(default_factory=set)
    """All partitions that the canary has had."""

    async def look(self) -> tuple[Seen, Seen]:
        """(the canary's, the others') messages, retries, dead letters and ages until now. No oracle."""
        mine, theirs = await self._tries()
        dead = await self._dead_letters()
        dead_mine = sum(place in self.partitions for place in dead)
        ages = await self._ages(mine.orders | theirs.orders)
        return (
            _seen(mine, dead_mine, ages),
            _seen(theirs, len(dead) - dead_mine, ages),
        )

    async def look_closely(self) -> tuple[Seen, Seen]:
        """The same, with the violations that the oracle finds. Raises UserError if the evidence cannot be read."""
        evidence = await gather(self.target, REST_SECONDS, lambda _: None)
        verdict = await asyncio.to_thread(judge, evidence)
        settled = frozenset(
            order.id
            for order in evidence.orders.values()
            if order.placed_at >= self.since
            and order.ended_at
            and order.ended_at < evidence.taken_at - SETTLED
        )
        violations = violations_of(evidence, verdict, settled)
        mine, theirs = await self._tries()
        canary, others = await self.look()
        return _with(canary, violations, mine.orders), _with(others, violations, theirs.orders)

    async def _tries(self) -> tuple[Tries, Tries]:
        since_ns = int(self.since.timestamp() * 1e9)
        found = await asyncio.to_thread(handlings, self.target.spans, since_ns)
        return by_release(found, self.service, self.canary)

    async def _dead_letters(self) -> list[Place]:
        """The place of each dead letter of the service since then. Events that only wait for another do not count."""
        rows = await self._fetch(self.service, DEAD_LETTERS, self.since)
        return [(row["topic"], row["partition"]) for row in rows]

    async def _ages(self, orders: Iterable[str]) -> dict[str, float]:
        """Order id → seconds from its placement to its end, or until now."""
        rows = await self._fetch("orders", AGES, list(orders), self.since)
        return {row["id"]: row["age"] for row in rows}

    async def _fetch(self, service: str, query: str, *values: object) -> list[asyncpg.Record]:
        try:
            connection = await asyncpg.connect(
                self.target.database_urls[service], timeout=10, command_timeout=30
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise UserError(
                f"the database of {service} does not answer ({error}): see `shop status`"
            ) from None
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()


def _seen(tries: Tries, dead_letters: int, ages: dict[str, float]) -> Seen:
    return Seen(
        messages=tries.handled,
        failed_tries=tries.failed,
        dead_letters=dead_letters,
        ages=tuple(ages[order_id] for order_id in tries.orders if order_id in ages),
    )


def _with(seen: Seen, violations: Mapping[str, list[str]], orders: frozenset[str]) -> Seen:
    mine = [sentence for order_id in sorted(orders) for sentence in violations.get(order_id, [])]
    return replace(seen, violations=len(mine), first_violation=mine[0] if mine else "")


DEAD_LETTERS = """
    SELECT topic, partition FROM dead_letters WHERE created_at >= $1 AND state <> 'WAITING'
"""
AGES = """
    SELECT id::text, extract(epoch FROM coalesce(ended_at, now()) - placed_at)::float8 AS age
    FROM orders WHERE id::text = ANY($1) AND placed_at >= $2
"""
