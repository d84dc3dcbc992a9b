"""The probe of an idle system gets its own events back through the chassis."""

from __future__ import annotations

import uuid

from shop_lab.probes.visible import compare
from shop_stack import topics
from shop_stack.kafka_access import KafkaAccess
from shop_stack.topics import Topic
from testkit.databases import MakeDatabase


async def test_each_event_comes_back_and_each_bare_message_too(
    kafka: KafkaAccess, database: MakeDatabase
) -> None:
    topic, bare = f"bench.{uuid.uuid4().hex}", f"bench.{uuid.uuid4().hex}"
    settings = {"cleanup.policy": "delete", "retention.ms": "60000"}
    await topics.declare(kafka, [Topic(name, 1, settings) for name in (topic, bare)])
    url = (await database("orders")).url
    found = await compare(url, kafka.client, topic, bare, samples=12, rounds=1)
    assert len(found["chassis"]) == len(found["bare"]) == 2
