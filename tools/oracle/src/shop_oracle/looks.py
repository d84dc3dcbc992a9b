"""One look at a shop under fault: the invariants that hold at every moment, judged by what can be read now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import asyncpg
import httpx
from aiokafka.errors import KafkaError

from shop_observe.history import read_histories
from shop_observe.log import read_log
from shop_observe.tail import LogUnreadable
from shop_observe.topics import declared_topics
from shop_oracle import databases
from shop_oracle.answers import read_ledger
from shop_oracle.errors import EvidenceMissing
from shop_oracle.evidence import Evidence
from shop_oracle.invariants.always import ALWAYS, LEDGER, LOG
from shop_oracle.invariants.judgement import Violation
from shop_stack.target import Target

SOURCE_SECONDS = 10.0
"""Seconds after which a source that does not answer is left out of this look."""
AWAY = (
    OSError,
    TimeoutError,
    EvidenceMissing,
    LogUnreadable,
    KafkaError,
    httpx.HTTPError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look has found."""

    violations: Mapping[str, Sequence[Violation]]
    """Name of an invariant that was judged → its violations; [] if it holds."""
    away: Sequence[str] = field(default_factory=list)
    """The sources that could not be read. Invariants that need one of them were not judged."""

    @property
    def sentences(self) -> list[str]:
        """The violations, one sentence each."""
        return [
            f"{name}: {each.subject}: expected {each.expected}; found {each.found}"
            for name, found in self.violations.items()
            for each in found
        ]


async def look(target: Target) -> Look:
    """Read what can be read now, and judge the invariants that hold at every moment.

    A source that is down is no violation: the invariants that need it are not judged.
    """
    evidence = Evidence(topics=declared_topics(target.contracts))
    away: list[str] = []
    # The order matters. An event is in the outbox, and an order in its table, before they are in the log or the ledger.
    await asyncio.gather(
        _read(LOG, partial(_log, target, evidence), away),
        _read(LEDGER, partial(_ledger, target, evidence), away),
    )
    await asyncio.gather(
        *(
            _read(service, partial(databases.dump, service, url, evidence), away)
            for service, url in target.database_urls.items()
        )
    )
    evidence.requests = read_histories(target.state / "history")
    return judge(evidence, away)


def judge(evidence: Evidence, away: Sequence[str]) -> Look:
    """Judge the invariants whose sources were read."""
    judged = {
        invariant.__name__: invariant(evidence).violations
        for invariant, needs in ALWAYS.items()
        if not set(needs) & set(away)
    }
    return Look(judged, sorted(away))


async def _read(source: str, read: Callable[[], Awaitable[Any]], away: list[str]) -> None:
    try:
        async with asyncio.timeout(SOURCE_SECONDS):
            await read()
    except AWAY:
        away.append(source)


async def _log(target: Target, evidence: Evidence) -> None:
    evidence.log = await read_log(target, evidence.topics)


async def _ledger(target: Target, evidence: Evidence) -> None:
    async with httpx.AsyncClient(timeout=SOURCE_SECONDS, trust_env=False) as client:
        evidence.ledger = await read_ledger(client, target)
