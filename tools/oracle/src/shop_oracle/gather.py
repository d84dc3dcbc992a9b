"""Reads the evidence: dumps of one snapshot per database, the log, the ledger, the reports, the spans."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx
import yaml

from shop_observe.history import read_histories
from shop_observe.log import read_log
from shop_observe.topics import Topic, dead_letter_topics, declared_topics
from shop_oracle.answers import read_ledger, read_reports, started_at
from shop_oracle.databases import dump_databases
from shop_oracle.errors import EvidenceMissing
from shop_oracle.evidence import Evidence
from shop_oracle.quiet import Unrest, wait_for_rest
from shop_oracle.sampling import sample_traces
from shop_stack.target import Target

QUICK_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


async def gather(
    target: Target,
    wait: float,
    on_step: Callable[[str], None],
    on_look: Callable[[Unrest], None] = lambda _: None,
) -> Evidence:
    """Wait until the shop is at rest (see `quiet.py`), at most `wait` seconds; then read everything.

    `on_step` is called with the name of each step, `on_look` with the unfinished work at each look.

    Raises UserError if a part of the evidence cannot be read.
    """
    topics = declared_topics(target.contracts)
    evidence = Evidence(topics=topics, subscriptions=declared_subscriptions(target.contracts, topics))
    on_step("waiting until the shop has come to rest")
    evidence.unrest = await wait_for_rest(target, topics, wait, on_look)
    on_step("reading databases and the log")
    async with httpx.AsyncClient(timeout=30.0, trust_env=False) as client:
        # First: reading much data keeps this process busy, and a service ends a connection that sends nothing.
        evidence.ledger, evidence.reports, started = await asyncio.gather(
            read_ledger(client, target), read_reports(client, target), started_at(client, target)
        )
    _, evidence.log, evidence.copies = await asyncio.gather(
        dump_databases(target, evidence),
        read_log(target, topics),
        read_log(target, dead_letter_topics(target.contracts)),
    )
    evidence.requests = read_histories(target.state / "history")
    evidence.taken_at = datetime.now(UTC)
    on_step("reading spans")
    await sample_traces(target, evidence, started)
    return evidence


def declared_subscriptions(contracts: Path, topics: Sequence[Topic]) -> dict[str, frozenset[str]]:
    """Service → the event types that its AsyncAPI document says it receives."""
    services = {service for topic in topics for service in (topic.owner, *topic.readers)}
    subscriptions = {}
    for service in sorted(services):
        file = contracts / "asyncapi" / f"{service}.yaml"
        try:
            document = yaml.load(file.read_text(), Loader=QUICK_LOADER)
        except FileNotFoundError:
            raise EvidenceMissing(f"{file} is missing: `make contracts` writes it again.") from None
        subscriptions[service] = frozenset(
            message["$ref"].rpartition("/")[2]
            for operation in document["operations"].values()
            if operation["action"] == "receive"
            for message in operation["messages"]
        )
    return subscriptions
