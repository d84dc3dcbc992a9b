"""The events that the probes publish and consume. They are as large as the event of an order's confirmation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from chassis.events import ConsumedEvent, PublishedEvent
from chassis.settings import ServiceSettings

TYPE = "bench.thing-happened.v1"
PADDING = "x" * 120
NO_ISSUER = "http://127.0.0.1:9"
"""No probe sends HTTP requests, so no issuer is needed."""


class Happened(PublishedEvent, type=TYPE, topic="", key="thing"):
    thing: str
    number: int
    padding: str = PADDING


class Seen(ConsumedEvent, type=TYPE, topic=""):
    thing: str
    number: int


class Answered(PublishedEvent, type="bench.thing-answered.v1", topic="bench.answers", key="thing"):
    """The event that the probe's consumer publishes. No relay sends it."""

    thing: str
    number: int
    padding: str = PADDING


def use(topic: str) -> None:
    """Publish and consume on this topic. Each measurement has a topic of its own."""
    Happened.topic = Seen.topic = topic


def settings(name: str, database: str, kafka: Mapping[str, Any]) -> ServiceSettings:
    """The settings of a service of this name. `kafka` is a login, as arguments of a client of aiokafka.

    All other settings have their defaults.
    """
    return ServiceSettings(
        service_name=name,
        database_url=SecretStr(database),
        kafka_bootstrap_servers=kafka["bootstrap_servers"],
        kafka_security_protocol=kafka["security_protocol"],
        kafka_sasl_mechanism=kafka["sasl_mechanism"],
        kafka_sasl_username=kafka["sasl_plain_username"],
        kafka_sasl_password=SecretStr(kafka["sasl_plain_password"]),
        oidc_issuer=NO_ISSUER,
        log_level="warning",
    )
