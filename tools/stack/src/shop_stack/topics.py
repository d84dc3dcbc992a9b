"""Creates and configures the topics of contracts/topics.yaml, and adds partitions. It never deletes a topic.

Run it in the repository's root: KAFKA_BOOTSTRAP_SERVERS=localhost:18092 python -m shop_stack.topics
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from shop_stack.errors import UserError

TOPIC_ALREADY_EXISTS = 36
T = TypeVar("T")
Entries: TypeAlias = Sequence[Mapping[str, Any]]
"""The list in topics.yaml."""


@dataclass(frozen=True)
class Topic:
    """One declared topic."""

    name: str
    partitions: int
    settings: Mapping[str, str]


def declared(contracts: Path) -> list[Topic]:
    """The topics of `contracts`/topics.yaml. Raises UserError if the file is missing or invalid."""
    return _read(contracts, lambda entries: [_topic(entry) for entry in entries])


def services(contracts: Path) -> tuple[str, ...]:
    """The owners and readers of the topics of `contracts`/topics.yaml, each once, in the order of the file.

    Raises UserError if the file is missing or invalid.
    """
    return _read(contracts, _services)


def _services(entries: Entries) -> tuple[str, ...]:
    names = [str(name) for entry in entries for name in (entry["owner"], *entry["readers"])]
    return tuple(dict.fromkeys(names))


def _read(contracts: Path, understand: Callable[[Entries], T]) -> T:
    """Read topics.yaml and return `understand(entries)`. Raises UserError if the file is missing or invalid."""
    file = contracts / "topics.yaml"
    try:
        return understand(yaml.safe_load(file.read_text())["topics"])
    except FileNotFoundError:
        raise UserError(f"{file} is missing: run the command inside the repository.") from None
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file} does not declare topics as it should ({error!r}): correct it.") from None


def _topic(entry: Mapping[str, Any]) -> Topic:
    settings = {
        "cleanup.policy": str(entry["cleanup_policy"]),
        "retention.ms": str(entry["retention_ms"]),
    }
    return Topic(str(entry["name"]), int(entry["partitions"]), settings)


async def declare(bootstrap: str, topics: Sequence[Topic], patience: float = 30.0) -> None:
    """Create, widen and configure topics until the broker has what `topics` declares. Idempotent.

    Raises UserError if the broker refuses, or if it takes more than `patience` seconds.
    """
    try:
        async with asyncio.timeout(patience):
            admin = await _connected(bootstrap)
            try:
                await _declare(admin, topics)
            finally:
                await admin.close()
    except (KafkaError, TimeoutError) as error:
        raise UserError(
            f"The topics could not be declared on {bootstrap} ({error!r}): see `shop logs kafka`."
        ) from error


async def _connected(bootstrap: str) -> AIOKafkaAdminClient:
    """A connected client. A broker that accepts connections may not answer requests yet, so the calls are repeated."""
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        try:
            await admin.start()
            await admin.list_topics()
            return admin
        except KafkaError:
            await admin.close()
            await asyncio.sleep(0.5)


async def _declare(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    present = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics()}
    missing = [topic for topic in topics if topic.name not in present]
    if missing:
        await _create(admin, missing)
    kept = [topic for topic in topics if topic.name in present]
    wider = {topic.name: topic.partitions for topic in kept if topic.partitions > present[topic.name]}
    if wider:
        await admin.create_partitions({name: NewPartitions(count) for name, count in wider.items()})
    await _configure(admin, kept)


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    answer = await admin.create_topics(
        [NewTopic(topic.name, topic.partitions, 1, topic_configs=dict(topic.settings)) for topic in topics]
    )
    for name, code, *message in answer.topic_errors:
        if code not in (0, TOPIC_ALREADY_EXISTS):
            raise for_code(code)(f"{name}: {message}")


async def _configure(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    if not topics:
        return
    asked = [
        ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=dict.fromkeys(topic.settings, ""))
        for topic in topics
    ]
    current: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(asked):
        for _, _, _, name, entries in answer.resources:
            current[name] = {entry[0]: entry[1] for entry in entries}
    changed = [
        ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=dict(topic.settings))
        for topic in topics
        if any(current.get(topic.name, {}).get(key) != value for key, value in topic.settings.items())
    ]
    if changed:
        await admin.alter_configs(changed)


def main() -> None:
    try:
        topics = declared(Path("contracts"))
        asyncio.run(declare(os.environ["KAFKA_BOOTSTRAP_SERVERS"], topics, patience=120))
    except UserError as error:
        sys.exit(str(error))
    print(f"{len(topics)} topics are as they are declared")


if __name__ == "__main__":
    main()
