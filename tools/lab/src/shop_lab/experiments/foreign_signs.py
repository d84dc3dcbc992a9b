"""Reads the effects of foreign inputs on the shop: from its databases, its consumer groups and its logs."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import psutil
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shop_lab.experiments import duplicates
from shop_lab.experiments.foreign_inputs.events import EventTopic
from shop_lab.experiments.foreign_inputs.input import Aftermath, Place, Tally, World
from shop_lab.testbed import Testbed
from shop_stack.kafka_access import KafkaAccess
from shop_stack.ports import SERVICES
from shop_stack.stack import POSTGRES

RESTARTS = ("task.failed", "task.restarting")
"""The events that the chassis' supervisor logs when it restarts a task."""
GHOST_SECONDS = 180.0
"""Seconds that the shop may take to return the stock and money of an order that the service orders does not know."""
LOOK_SECONDS = 1.0
DENIED = "permission denied for table"


@dataclass(frozen=True)
class Beginning:
    """The state of the shop before the first input."""

    log_ends: Mapping[str, int]
    """Part → size of its log in bytes."""
    processes: Mapping[str, psutil.Process | None]
    duplicates: duplicates.Counts


async def beginning(testbed: Testbed) -> Beginning:
    """The present state of the shop."""
    daemons = {name: testbed.stack.daemon(name) for name in (*SERVICES, POSTGRES)}
    return Beginning(
        {name: daemon.log.stat().st_size for name, daemon in daemons.items()},
        {name: daemons[name].process() for name in SERVICES},
        await duplicates.read(_ports(testbed)),
    )


def _ports(testbed: Testbed) -> list[int]:
    return [testbed.stack.ports.management(name) for name in SERVICES]


# --- Processes and logs ---------------------------------------------------------------------------


def lines_since(testbed: Testbed, part: str, since: Beginning) -> list[str]:
    """The log lines of a part since the beginning."""
    with testbed.stack.daemon(part).log.open("rb") as log:
        log.seek(since.log_ends[part])
        return log.read().decode(errors="replace").splitlines()


def restarts(lines: Iterable[str]) -> Counter[str]:
    """Task → how often it was restarted, by the log lines of a service."""
    found: Counter[str] = Counter()
    for line in lines:
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        if isinstance(fields, dict) and fields.get("event") in RESTARTS:
            found[str(fields.get("task"))] += 1
    return found


def restarts_of(testbed: Testbed, since: Beginning) -> dict[str, Counter[str]]:
    """Service → task → how often it was restarted."""
    return {name: restarts(lines_since(testbed, name, since)) for name in SERVICES}


def ended_processes(testbed: Testbed, since: Beginning) -> list[str]:
    """The services whose process is not the same as at the beginning."""
    return [name for name in SERVICES if testbed.stack.daemon(name).process() != since.processes[name]]


# --- Effects of the inputs ------------------------------------------------------------------------


async def aftermath(world: World, tallies: Sequence[Tally], since: Beginning) -> Aftermath:
    """Ask every service and Kafka for the effects of the inputs. Call it when the shop is at rest."""
    testbed = world.testbed
    events = {id for tally in tallies for id in tally.events}
    ghosts = {id for tally in tallies for id in tally.ghosts}
    orders = {id for tally in tallies for id in tally.orders}
    letters: set[Place] = set()
    taken: set[str] = set()
    for service in SERVICES:
        async with testbed.database(service) as database:
            rows = await database.fetch(_LETTERS)
            letters |= {Place(row["topic"], row["partition"], row["offset"]) for row in rows}
            taken |= {row["id"] for row in await database.fetch(_TAKEN, list(events))}
    async with testbed.database("orders") as database:
        ends = {row["id"]: row["state"] for row in await database.fetch(_ENDS, list(orders))}
    held, seen = await ghosts_in(testbed, ghosts)
    passed = await passed_by(testbed.kafka, SERVICES)
    return Aftermath(
        letters=letters,
        taken=taken,
        behind=behind(world.sent, passed, world.topics),
        duplicates=duplicates.between(since.duplicates, await duplicates.read(_ports(testbed))),
        denied=sum(DENIED in line for line in lines_since(testbed, POSTGRES, since)),
        ends=ends,
        held_for_ghosts=held,
        ghosts_seen=seen,
    )


async def ghosts_in(testbed: Testbed, ghosts: Collection[str]) -> tuple[set[str], set[str]]:
    """The ghost orders that have stock or money but no dead letter; and all ghost orders that have any of these."""
    ids = list(ghosts)
    async with testbed.database("inventory") as inventory, testbed.database("payments") as payments:
        rows = [*await inventory.fetch(_STOCK, ids), *await payments.fetch(_MONEY, ids)]
    told: set[str] = set()
    for service in SERVICES:
        async with testbed.database(service) as database:
            told |= {row["key"] for row in await database.fetch(_LETTERS_OF, ids)}
    return {row["id"] for row in rows if row["held"]} - told, {row["id"] for row in rows} | told


async def wait_for_ghosts(testbed: Testbed, tallies: Iterable[Tally]) -> None:
    """Return when no ghost order has stock or money without a dead letter, or after GHOST_SECONDS."""
    ghosts = {id for tally in tallies for id in tally.ghosts}
    given_up = time.monotonic() + GHOST_SECONDS
    while time.monotonic() < given_up and (await ghosts_in(testbed, ghosts))[0]:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)


async def passed_by(kafka: KafkaAccess, groups: Collection[str]) -> dict[str, dict[TopicPartition, int]]:
    """Group → partition → the committed offset of the group."""
    admin = AIOKafkaAdminClient(**kafka.client)
    await admin.start()
    try:
        return {
            group: {at: one.offset for at, one in (await admin.list_consumer_group_offsets(group)).items()}
            for group in groups
        }
    finally:
        await admin.close()


def behind(
    places: Iterable[Place],
    passed: Mapping[str, Mapping[TopicPartition, int]],
    topics: Mapping[str, EventTopic],
) -> set[Place]:
    """The records that a reader of their topic has not passed with its committed offset."""
    return {
        place
        for place in places
        for reader in topics[place.topic].readers
        if passed[reader].get(TopicPartition(place.topic, place.partition), 0) <= place.offset
    }


_LETTERS = 'SELECT topic, partition, "offset" FROM dead_letters'
_LETTERS_OF = "SELECT DISTINCT key FROM dead_letters WHERE key = ANY($1)"
_TAKEN = "SELECT DISTINCT event_id::text AS id FROM inbox WHERE event_id::text = ANY($1)"
_STOCK = """
    SELECT order_id::text AS id, state IN ('RESERVED', 'COMMITTED') AS held
    FROM reservations WHERE order_id = ANY($1::text[]::uuid[])
"""
_MONEY = """
    SELECT order_id::text AS id, state IN ('DUE', 'CAPTURING', 'CAPTURED', 'CANCELLING') AS held
    FROM payments WHERE order_id = ANY($1::text[]::uuid[])
"""
_ENDS = "SELECT id::text, state FROM orders WHERE id = ANY($1::text[]::uuid[])"
