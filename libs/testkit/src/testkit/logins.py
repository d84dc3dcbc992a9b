"""The settings with which a service of a test logs in to Kafka."""

from __future__ import annotations

from typing import Any

from shop_stack.kafka_access import KafkaAccess


def login_of(kafka: KafkaAccess) -> dict[str, Any]:
    """The fields of `chassis.settings.ServiceSettings` that concern Kafka, such as `kafka_sasl_username`."""
    return {variable.lower(): value for variable, value in kafka.environment.items()}
