"""The check of the inbox's memory is held at start: with too short a one a service does not consume."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from fastapi import APIRouter, FastAPI
from pydantic import SecretStr

from chassis import retention
from chassis.errors import Unavailable
from chassis.inbox import Inbox
from chassis.service import build_service
from chassis.settings import ServiceSettings
from testkit import client, eventually
from testkit.databases import TestDatabase

A_DAY = {"retention.ms": str(24 * 3_600_000)}


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What became of each start of the consumer: refused by the check, or run."""
    seen: list[str] = []
    check = retention.check

    async def watched(kafka: Mapping[str, Any], topics: Collection[str], inbox: timedelta) -> None:
        try:
            await check(kafka, topics, inbox)
        except retention.RetentionTooShort:
            seen.append("refused")
            raise

    async def start(_: AIOKafkaConsumer) -> None:
        seen.append("run")
        raise Unavailable("this far, and no further")

    monkeypatch.setattr(retention, "check", watched)
    monkeypatch.setattr(AIOKafkaConsumer, "start", start)
    return seen


@pytest.mark.parametrize(
    ("remembers", "outcome"), [(timedelta(hours=23), "refused"), (timedelta(hours=24), "run")]
)
async def test_a_service_consumes_only_if_its_inbox_outlasts_the_topics(
    project: TestDatabase,
    kafka: str,
    kafka_admin: AIOKafkaAdminClient,
    effects: Any,
    outcomes: list[str],
    monkeypatch: pytest.MonkeyPatch,
    remembers: timedelta,
    outcome: str,
) -> None:
    topic = f"things.{uuid4().hex[:8]}.v1"
    await kafka_admin.create_topics([NewTopic(topic, 1, 1, topic_configs=A_DAY)])
    monkeypatch.setattr(Inbox, "topics", {topic})
    settings = ServiceSettings(
        service_name="things",
        database_url=SecretStr(project.url),
        kafka_bootstrap_servers=kafka,
        inbox_retention=remembers,
    )
    app: FastAPI = build_service(
        settings, router=APIRouter(), subscriptions={"things.thing-counted.v1": effects.count}
    )

    async def came_out() -> None:
        assert set(outcomes) == {outcome}

    async with client(app):
        await eventually(came_out, 20)
    await kafka_admin.delete_topics([topic])
