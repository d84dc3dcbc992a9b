"""One login, in the words of each client and of a service."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis.settings import ServiceSettings
from shop_stack import kafka_access
from shop_stack.kafka_access import PLAIN, SCRAM, KafkaAccess, KafkaLogins
from shop_stack.rights import STACK
from testkit.logins import login_of

LOGIN = KafkaAccess("host:1", "orders", "s3cret")


def test_a_service_reads_its_login_from_the_variables_that_the_stack_sets() -> None:
    settings = ServiceSettings.model_validate(
        {"service_name": "orders", "database_url": "postgresql://o:o@db/o", **login_of(LOGIN)}
    )
    assert settings.kafka == LOGIN.client


@pytest.mark.parametrize(
    ("access", "protocol"),
    [
        (KafkaAccess("host:1"), "PLAINTEXT"),
        (KafkaAccess("host:1", cafile=Path("/ca.crt")), "SSL"),
        (LOGIN, "SASL_PLAINTEXT"),
        (KafkaAccess("host:1", "orders", "s3cret", cafile=Path("/ca.crt")), "SASL_SSL"),
    ],
)
def test_the_variables_of_a_login_lead_back_to_it(access: KafkaAccess, protocol: str) -> None:
    assert access.security_protocol == protocol
    assert kafka_access.from_environment(access.environment) == access
    assert access.librdkafka["security.protocol"] == protocol


def test_a_password_is_in_no_text_of_a_login() -> None:
    assert "s3cret" not in repr(LOGIN)
    assert "s3cret" not in repr(KafkaLogins("host:1", {"orders": "s3cret"}))
    assert str(LOGIN) == "host:1"


def test_the_stack_alone_logs_in_by_plain() -> None:
    logins = KafkaLogins("host:1", {"orders": "a", STACK: "b"})
    assert (logins.of("orders").mechanism, logins.of(STACK).mechanism) == (SCRAM, PLAIN)
