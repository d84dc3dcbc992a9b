"""What is asked again and again while a page is open: health, versions, dead letters, and how far each reader is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shop_observe.timeline import shown
from shop_observe.topics import Topic
from shop_stack.errors import UserError
from shop_stack.logins import OPERATOR, Login
from shop_stack.target import Target

ANSWER_SECONDS = 2.0
KAFKA_SECONDS = 5.0
MOST_LETTERS = 1_000
"""The most dead letters that a service lists at once."""
MOST_CHARACTERS = 200


@dataclass(slots=True)
class Service:
    """What one service says of itself."""

    name: str
    status: str = "silent"
    """ready, degraded, not ready, or silent: it does not answer."""
    failed: dict[str, str] = field(default_factory=dict)
    """Check → why it fails."""
    version: str = ""
    letters: int | None = None
    """Its open dead letters; None if it does not say."""
    oldest_letter: str = ""


@dataclass(slots=True)
class Reading:
    """How far the group of a service has read one topic."""

    read: int = 0
    """The sum of the committed offsets."""
    lag: int = 0


@dataclass(slots=True)
class Looks:
    """The newest answers."""

    services: dict[str, Service] = field(default_factory=dict)
    readings: dict[tuple[str, str], Reading] = field(default_factory=dict)
    """(service, topic) → how far it is."""
    members: dict[str, int] = field(default_factory=dict)
    """Service → the members of its group."""
    kafka: str = ""
    """Why Kafka could not be asked; empty if it could."""

    def as_json(self) -> dict[str, Any]:
        return {
            "services": {name: _as_json(one) for name, one in self.services.items()},
            "lag": [
                {"service": service, "topic": topic, "lag": one.lag}
                for (service, topic), one in sorted(self.readings.items())
            ],
            "members": dict(self.members),
            "kafka": self.kafka,
        }


def _as_json(one: Service) -> dict[str, Any]:
    return {
        "status": one.status,
        "failed": one.failed,
        "version": one.version,
        "letters": one.letters,
        "oldest_letter": one.oldest_letter,
    }


class Looker:
    """Asks the services and Kafka. Its connections are open as long as its context lasts."""

    def __init__(self, target: Target, topics: Sequence[Topic]) -> None:
        self._target = target
        self._topics = [topic for topic in topics if topic.readers]
        self._groups = sorted({reader for topic in topics for reader in topic.readers})
        self._open = AsyncExitStack()
        self._kafka = AsyncExitStack()
        self._admin: AIOKafkaAdminClient | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self.looks = Looks(services={name: Service(name) for name in target.management_urls})

    async def __aenter__(self) -> Self:
        self._client = await self._open.enter_async_context(
            httpx.AsyncClient(timeout=ANSWER_SECONDS, trust_env=False)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leave_kafka()
        await self._open.aclose()

    async def look(self) -> Looks:
        """Ask everything once. A part that does not answer is a part of the answer."""
        await asyncio.gather(*(self._ask(name) for name in self._target.management_urls), self._ask_kafka())
        return self.looks

    async def _ask(self, name: str) -> None:
        one = self.looks.services[name]
        url = self._target.management_urls[name]
        try:
            health, version = await asyncio.gather(
                self._client.get(f"{url}/readyz"), self._client.get(f"{url}/version")
            )
            said = health.json()
            one.status = str(said["status"])[:40]
            one.failed = {
                shown(check, 40): shown(str(why), MOST_CHARACTERS)
                for check, why in said["checks"].items()
                if why != "ok"
            }
            one.version = str(version.json()["version"])[:40]
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
            one.status, one.failed = "silent", {"answer": type(error).__name__}
            one.letters = None
            return
        await self._ask_for_letters(one, url)

    async def _ask_for_letters(self, one: Service, url: str) -> None:
        try:
            login = Login(self._target.issuer, OPERATOR)
            answer = await self._client.get(
                f"{url}/admin/dead-letters", params={"limit": MOST_LETTERS}, auth=login
            )
            found = answer.raise_for_status().json()
            one.letters = len(found)
            one.oldest_letter = str(found[0]["created_at"]) if found else ""
        except (httpx.HTTPError, UserError, ValueError, KeyError, TypeError, IndexError):
            one.letters = None

    async def _ask_kafka(self) -> None:
        try:
            async with asyncio.timeout(KAFKA_SECONDS):
                await self._read_lags()
            self.looks.kafka = ""
        except (KafkaError, OSError, TimeoutError) as error:
            self.looks.kafka = f"Kafka does not answer ({type(error).__name__}): the lag is that of before."
            await self._leave_kafka()

    async def _leave_kafka(self) -> None:
        self._admin = self._consumer = None
        stack, self._kafka = self._kafka, AsyncExitStack()
        try:
            async with asyncio.timeout(KAFKA_SECONDS):
                await stack.aclose()
        except (KafkaError, OSError, TimeoutError):
            pass  # the broker is away: there is nothing to say good-bye to

    async def _connect(self) -> tuple[AIOKafkaAdminClient, AIOKafkaConsumer]:
        if self._admin is None or self._consumer is None:
            admin = AIOKafkaAdminClient(**self._target.kafka.client)
            self._kafka.push_async_callback(admin.close)
            await admin.start()
            consumer = AIOKafkaConsumer(**self._target.kafka.client, group_id=None, enable_auto_commit=False)
            self._kafka.push_async_callback(consumer.stop)
            await consumer.start()
            self._admin, self._consumer = admin, consumer
        return self._admin, self._consumer

    async def _read_lags(self) -> None:
        admin, consumer = await self._connect()
        described = await admin.describe_topics([topic.name for topic in self._topics])
        places = [TopicPartition(t["topic"], p["partition"]) for t in described for p in t["partitions"]]
        ends: Mapping[TopicPartition, int] = await consumer.end_offsets(places)
        readings: dict[tuple[str, str], Reading] = {}
        for group in self._groups:
            committed = await self._committed(admin, group)
            for topic in self._topics:
                if group in topic.readers:
                    readings[group, topic.name] = reading_of(topic.name, ends, committed)
        self.looks.readings = readings
        self.looks.members = {group: await self._members(admin, group) for group in self._groups}

    @staticmethod
    async def _members(admin: AIOKafkaAdminClient, group: str) -> int:
        # One group at a time: aiokafka 0.14 cannot decode an answer about several.
        [answer] = await admin.describe_consumer_groups([group])
        [(_, _, _, _, _, members, *_)] = answer.groups
        return len(members)

    @staticmethod
    async def _committed(admin: AIOKafkaAdminClient, group: str) -> Mapping[TopicPartition, int]:
        found = await admin.list_consumer_group_offsets(group)
        return {place: max(0, one.offset) for place, one in found.items()}


def reading_of(
    topic: str, ends: Mapping[TopicPartition, int], committed: Mapping[TopicPartition, int]
) -> Reading:
    """How far a group is in a topic, summed over its partitions. A group that has committed nothing is at 0."""
    reading = Reading()
    for place, end in ends.items():
        if place.topic == topic:
            done = committed.get(place, 0)
            reading.read += done
            reading.lag += max(0, end - done)
    return reading


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(datetime.now(UTC).timestamp() * 1000)
