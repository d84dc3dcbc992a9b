"""The steps of `shop restore`."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
import httpx
from aiokafka import TopicPartition

from shop.restore import charges, facts, findings, former, known, outbox
from shop.restore.findings import Finding
from shop_observe.kafka_log import Entry, Log, read_log
from shop_observe.topics import Topic, all_topics, declared_topics
from shop_oracle.answers import read_ledger
from shop_oracle.evidence import Movement
from shop_oracle.gather import declared_subscriptions
from shop_stack import embedded, kafka_groups, kafka_offsets, migrations, recovery
from shop_stack.archive import Backup
from shop_stack.errors import UserError
from shop_stack.rights import STACK
from shop_stack.stack import Stack
from shop_stack.target import Target

OnStep = Callable[[str], None]


@dataclass
class Outcome:
    """What a restore has done."""

    service: str
    to: str
    backup: str
    former: str
    """The name that the replaced database has now."""
    facts: dict[str, int] = field(default_factory=dict)
    """Event type → how many forgotten events became facts again."""
    to_send: int = 0
    """Rows of the outbox that Kafka does not have."""
    read_again: dict[str, int] = field(default_factory=dict)
    """``topic[partition]`` → how many records the service reads again."""
    not_whole: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Sources:
    """What the other parts of the shop know."""

    topics: Sequence[Topic]
    types: frozenset[str]
    """The event types that the service reads."""
    log: Log
    ledger: Sequence[Movement]

    @property
    def charges(self) -> list[Movement]:
        """The charges of the ledger."""
        return [entry for entry in self.ledger if entry.kind == "charge"]

    def owned(self, service: str) -> set[str]:
        return {topic.name for topic in self.topics if topic.owner == service and topic.events}

    def read(self, service: str) -> set[str]:
        return {topic.name for topic in self.topics if service in topic.readers and topic.events}


async def restore(
    stack: Stack, target: Target, service: str, to: datetime, backup: Backup, on_step: OnStep
) -> Outcome:
    """Restore the database of a service that does not run, make it whole, and start the service.

    Until the databases change their names, nothing of the running shop is changed except for offsets that are wound
    back. That is harmless, so an interrupted restore can be repeated. Raises UserError.
    """
    began = time.monotonic()
    restored, replaced = f"{service}_restored", f"{service}_former"
    outcome = Outcome(service, to.isoformat(), backup.ended_at.isoformat(), replaced)
    on_step("reading the Kafka log and the ledger")
    sources = await read_sources(target, service)
    require_remembered(sources, service, to)
    try:
        await recovery.copy_of_database(stack, service, restored, backup, to, on_step)
        await migrations.upgrade(stack, stack.deployment(service).now, restored)
        on_step("making it whole")
        await make_whole(stack, sources, to, restored, outcome)
        on_step("exchanging the databases")
        await recovery.swap(stack.server, service, restored, replaced)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise UserError(
            f"The database of {service} is as it was ({error}): see `shop status`, then try again."
        ) from error
    migrations.forget(stack, service)
    on_step(f"starting {service}")
    await embedded.start(stack, service)
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


async def read_sources(target: Target, service: str) -> Sources:
    """Read all topics, and the card processor's ledger. Raises UserError if one of them does not answer."""
    topics = all_topics(target.contracts)
    types = declared_subscriptions(target.contracts, declared_topics(target.contracts))[service]
    async with httpx.AsyncClient(timeout=30.0, trust_env=False) as client:
        log, ledger = await asyncio.gather(read_log(target, topics), read_ledger(client, target))
    return Sources(topics, frozenset(types), log, ledger)


def require_remembered(sources: Sources, service: str, to: datetime) -> None:
    """Raise UserError if Kafka has deleted events that the service wrote or should read after the time."""
    needed = sources.owned(service) | sources.read(service)
    for topic, since in sources.log.gone_before.items():
        if topic in needed and since > to:
            raise UserError(
                f"{topic} has all events only since {since.isoformat(timespec='seconds')}, so {service} could not be "
                "made whole: choose a later time, or follow docs/how-to/restore-a-database.md by hand."
            )


async def make_whole(stack: Stack, sources: Sources, to: datetime, restored: str, outcome: Outcome) -> None:
    """Write what the service told others into the restored database, and wind the offsets of its group back."""
    service = outcome.service
    sent = {entry.id for entry in sources.log.entries}
    async with stack.server.connected(restored) as connection:
        ids = {row[0] for row in await connection.fetch("SELECT event_id::text FROM outbox")}
        own = known.forgotten(sources.log.entries, sources.owned(service), ids, to)
        replaced = await former.read(stack.server, service, sent, to)
        unsent = [entry for entry in replaced.unsent if entry.id not in ids]
        before = await former.stock(connection, service)
        async with connection.transaction():
            await outbox.add_rows(connection, own)
            unknown = await facts.write_facts(connection, service, [*own, *unsent], more(sources))
            if service == "payments":
                called = replaced.called | {entry.reference for entry in sources.charges}
                await charges.ask_again(connection, sources.log.events, called)
            await former.add_answers(connection, replaced)
        outcome.facts = dict(Counter(entry.type for entry in (*own, *unsent)))
        outcome.to_send = await outbox.divide(connection, sent, unsent)
        after = await former.stock(connection, service)
        outcome.not_whole = [
            *findings.unknown_causes(unknown),
            *await open_orders(connection, sources, service),
            *findings.unknown_stock(before, after, replaced.stock),
        ]
        firsts = await first_unread(connection, sources, service)
    access = stack.logins.of(STACK)
    await kafka_groups.remove_static_member(access, service, f"{service}-{stack.deployment(service).slot}")
    again = await kafka_offsets.wind_back(access, service, firsts)
    outcome.read_again = {f"{place.topic}[{place.partition}]": count for place, count in again.items()}


async def first_unread(
    connection: outbox.Connection, sources: Sources, service: str
) -> dict[TopicPartition, int]:
    """The first offset of each partition that the service must read again."""
    inbox = {(source, id) for source, id in await connection.fetch(_INBOX, service)}
    letters = {(topic, part, offset) for topic, part, offset in await connection.fetch(_LETTERS, service)}
    return known.first_unread(sources.log.entries, sources.types, sources.read(service), inbox, letters)


def more(sources: Sources) -> facts.More:
    """What the events of a service do not tell: the processor's id of a charge, and the cause of a message."""
    charge_ids = {entry.reference: entry.charge_id for entry in sources.charges}
    by_id = {entry.id: entry for entry in sources.log.events}

    def look_up(entry: Entry) -> Mapping[str, Any] | None:
        match entry.type:
            case "payments.payment-captured.v1":
                charge = charge_ids.get(entry.key)
                return {"charge_id": charge} if charge else None
            case "notifications.notification-sent.v1":
                cause = by_id.get(entry.causation_id)
                return cause.data if cause else None
            case _:
                return {}

    return look_up


async def open_orders(connection: outbox.Connection, sources: Sources, service: str) -> list[Finding]:
    """Orders that the restored database lacks, or whose charge it can never know, although others know them."""
    if service == "orders":
        orders = {row[0] for row in await connection.fetch("SELECT id::text FROM orders")}
        handled = {id for _, id in await connection.fetch(_INBOX, service)}
        return findings.lost_orders(sources.log.entries, orders, handled)
    if service == "payments":
        charged = {row[0] for row in await connection.fetch(_CHARGED)}
        return findings.open_charges(sources.ledger, charged)
    return []


_INBOX = "SELECT source, event_id::text FROM inbox WHERE consumer_group = $1"
_LETTERS = 'SELECT topic, partition, "offset" FROM dead_letters WHERE consumer_group = $1'
_CHARGED = """
    SELECT order_id::text FROM payments WHERE state IN ('CAPTURING', 'CANCELLING', 'CAPTURED', 'REFUNDED')
"""
