"""What the chassis' probes publish and consume: an event of an order confirmation's size."""

from __future__ import annotations

from pydantic import SecretStr

from chassis.events import ConsumedEvent, PublishedEvent
from chassis.settings import ServiceSettings

TYPE = "bench.thing-happened.v1"
PADDING = "x" * 120


class Happened(PublishedEvent, type=TYPE, topic="", key="thing"):
    thing: str
    number: int
    padding: str = PADDING


class Seen(ConsumedEvent, type=TYPE, topic=""):
    thing: str
    number: int


class Answered(PublishedEvent, type="bench.thing-answered.v1", topic="bench.answers", key="thing"):
    """What a consumer publishes; no relay runs where it is used."""

    thing: str
    number: int
    padding: str = PADDING


def use(topic: str) -> None:
    """Publish and consume on this topic: each measurement has one of its own."""
    Happened.topic = Seen.topic = topic


def settings(name: str, database: str, bootstrap: str) -> ServiceSettings:
    """What a service of this name is told; all else is as it is by default."""
    return ServiceSettings(
        service_name=name,
        database_url=SecretStr(database),
        kafka_bootstrap_servers=bootstrap,
        log_level="warning",
    )
