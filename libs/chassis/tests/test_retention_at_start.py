"""Retention is checked at start: a service whose inbox remembers too little does not consume."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from fastapi import APIRouter
from pydantic import SecretStr

from chassis import service, transports
from chassis.errors import Unavailable
from chassis.kafka import topic_retention
from chassis.kafka.topic_retention import RetentionTooShort
from chassis.settings import ServiceSettings
from libs.chassis.tests.kafka_doubles import subscriptions_to
from shop_stack.kafka_access import KafkaAccess
from testkit import client, eventually
from testkit.databases import TestDatabase
from testkit.logins import login_of

A_DAY = {"retention.ms": str(23 * 3_600_000), "segment.ms": str(50 * 60_000)}
"""With the ten minutes until Kafka deletes a segment, an event lives for 24 hours."""


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What became of each start of the consumer: refused by the check, or run."""
    seen: list[str] = []

    async def watched(
        kafka: Mapping[str, Any], topics: Collection[str], inbox: timedelta, outbox: timedelta
    ) -> None:
        try:
            await topic_retention.check_retention(kafka, topics, inbox, outbox)
        except RetentionTooShort:
            seen.append("refused")
            raise

    async def start(_: AIOKafkaConsumer) -> None:
        seen.append("run")
        raise Unavailable("this far, and no further")

    monkeypatch.setattr(transports, "check_retention", watched)
    monkeypatch.setattr(AIOKafkaConsumer, "start", start)
    return seen


@pytest.mark.parametrize(
    ("remembers", "outcome"), [(timedelta(hours=23), "refused"), (timedelta(hours=24), "run")]
)
async def test_a_service_consumes_only_if_its_inbox_outlasts_the_topics(
    project: TestDatabase,
    kafka: KafkaAccess,
    kafka_admin: AIOKafkaAdminClient,
    outcomes: list[str],
    remembers: timedelta,
    outcome: str,
) -> None:
    topic = f"things.{uuid4().hex[:8]}.v1"
    await kafka_admin.create_topics([NewTopic(topic, 1, 1, topic_configs=A_DAY)])
    settings = ServiceSettings(
        **login_of(kafka),
        service_name="things",
        database_url=SecretStr(project.url),
        inbox_retention=remembers,
        outbox_retention=timedelta(0),
    )
    things = service.build_service(settings, router=APIRouter(), subscriptions=subscriptions_to(topic))

    async def came_out() -> None:
        assert set(outcomes) == {outcome}

    async with client(things):
        await eventually(came_out, 20)
    await kafka_admin.delete_topics([topic])
