"""Faults of Kafka: rights that are withdrawn, a topic that is missing, offsets that are wound back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from shop_chaos.injectors import dropped, logs
from shop_chaos.injectors.injector import Injector
from shop_chaos.system import System
from shop_observe.tail import partitions_of
from shop_stack import kafka_users, parts, rights, topics
from shop_stack.rights import Operation


@dataclass
class RightWithdrawn(Injector):
    """Take one operation on topics from a service: `Write` on those that it owns, or `Read` on those that it reads."""

    service: str
    operation: str = "Write"

    async def before(self, on: System) -> dict[str, Any]:
        return {"log": logs.size(on.stack.daemon(self.service))}

    async def inject(self, on: System) -> None:
        await self._grant(on, without=Operation(self.operation))

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        daemon = on.stack.daemon(self.service)
        # The sentence of chassis.kafka.refusals. A service that has never written names every topic.
        words = f"lacks the right {self.operation}"
        return {"refusals in its log": logs.count(daemon, before["log"], words)}

    async def heal(self, on: System) -> None:
        await self._grant(on)

    async def _grant(self, on: System, without: Operation | None = None) -> None:
        granted = rights.service_rights(self.service, topics.entries(on.target.contracts))
        kept = [
            right
            for right in granted
            if right.operation != without or right.resource != rights.Resource.TOPIC
        ]
        logins = on.stack.logins
        await kafka_users.ensure(logins.of(rights.STACK), [logins.of(self.service)], kept)


@dataclass
class TopicMissing(Injector):
    """Delete a topic. At the end it is declared again, as `shop up` does."""

    topic: str

    async def inject(self, on: System) -> None:
        admin = AIOKafkaAdminClient(**on.stack.logins.of(rights.STACK).client)
        await admin.start()
        try:
            await admin.delete_topics([self.topic])
        finally:
            await admin.close()

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        admin = AIOKafkaAdminClient(**on.stack.logins.of(rights.STACK).client)
        await admin.start()
        try:
            return {"topics missing": int(self.topic not in await admin.list_topics())}
        finally:
            await admin.close()

    async def heal(self, on: System) -> None:
        await parts.provision_kafka(on.stack)


@dataclass
class Replay(Injector):
    """Stop a service, set the offsets of its group to 0, and start it: it gets every event again."""

    late_seconds: ClassVar[float] = 60.0
    service: str

    async def before(self, on: System) -> dict[str, Any]:
        return {"dropped": await dropped.read(on)}

    async def inject(self, on: System) -> None:
        await on.parts.stop(self.service)
        await on.parts.forget_member(self.service)
        read = [
            str(entry["name"])
            for entry in topics.entries(on.target.contracts)
            if self.service in entry["readers"]
        ]
        places = await partitions_of(on.target, read)
        consumer = AIOKafkaConsumer(
            **on.parts.login(self.service).client, group_id=self.service, enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign(places)
            await consumer.commit({TopicPartition(place.topic, place.partition): 0 for place in places})
        finally:
            await consumer.stop()
        await on.parts.start(self.service)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        return {"duplicates dropped": dropped.since(before["dropped"], await dropped.read(on))}

    async def heal(self, on: System) -> None:
        await on.parts.start(self.service)
