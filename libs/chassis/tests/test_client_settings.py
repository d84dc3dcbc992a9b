"""The settings of the Kafka client that lose data or time if they are aiokafka's defaults."""

from typing import Any

import pytest

from chassis.kafka import ConsumerSettings, consumer


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments with which a service's client is made."""
    monkeypatch.setattr(consumer, "AIOKafkaConsumer", dict)
    return dict(consumer.create_client(ConsumerSettings(kafka={}), "things"))


def test_a_new_group_starts_at_the_beginning_of_its_topics(options: dict[str, Any]) -> None:
    assert options["auto_offset_reset"] == "earliest"


def test_the_client_commits_no_offset_by_itself(options: dict[str, Any]) -> None:
    assert options["enable_auto_commit"] is False


def test_a_new_partition_waits_for_the_open_fetch_for_two_seconds_at_most(options: dict[str, Any]) -> None:
    assert options["fetch_max_wait_ms"] <= 2_000
