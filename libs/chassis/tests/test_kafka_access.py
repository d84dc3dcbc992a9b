"""How a service logs in to a broker that asks for it."""

import inspect

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import ValidationError

from chassis.settings import ServiceSettings

LOGIN = {
    "kafka_security_protocol": "SASL_SSL",
    "kafka_sasl_username": "things",
    "kafka_sasl_password": "s3cret",
}


def settings(**more: str) -> ServiceSettings:
    return ServiceSettings.model_validate(
        {
            "service_name": "things",
            "database_url": "postgresql://things@localhost/things",
            "kafka_bootstrap_servers": "localhost:9092",
            **more,
        }
    )


def test_a_broker_without_security_gets_no_login() -> None:
    address_alone = {"bootstrap_servers": "localhost:9092", "security_protocol": "PLAINTEXT"}
    assert settings().kafka == address_alone


def test_every_client_of_aiokafka_takes_the_login() -> None:
    access = settings(**LOGIN).kafka
    assert access["sasl_plain_username"] == "things"
    assert access["sasl_plain_password"] == "s3cret"
    for client in (AIOKafkaConsumer, AIOKafkaProducer, AIOKafkaAdminClient):
        assert access.keys() <= inspect.signature(client).parameters.keys()


def test_a_certificate_without_a_login_is_enough_for_tls_alone() -> None:
    access = settings(kafka_security_protocol="SSL").kafka
    assert access.keys() == {"bootstrap_servers", "security_protocol", "ssl_context"}


@pytest.mark.parametrize("missing", ["kafka_sasl_username", "kafka_sasl_password"])
def test_half_a_login_ends_the_process_and_names_the_variables(missing: str) -> None:
    with pytest.raises(ValidationError, match="KAFKA_SASL_PASSWORD") as error:
        settings(**{name: value for name, value in LOGIN.items() if name != missing})
    assert "needs KAFKA_SASL_USERNAME" in str(error.value)


def test_the_password_is_not_in_the_text_of_the_settings() -> None:
    assert "s3cret" not in repr(settings(**LOGIN))
