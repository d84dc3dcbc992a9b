"""Each login of the broker in containers can do what the contract gives it, and nothing else."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from shop_stack import compose, paths, rights, topics
from shop_stack.errors import UserError
from shop_stack.kafka_access import PLAIN, KafkaAccess
from shop_stack.rights_trials import expected, faults, try_all

from .conftest import Containers

CONNECT_SECONDS = 30.0


def login_of(containers: Containers, principal: str) -> KafkaAccess:
    password = containers.services["topics"]["environment"][f"{principal.upper()}_KAFKA_PASSWORD"]
    return replace(containers.target.kafka, username=principal, password=password)


def super_user(containers: Containers) -> KafkaAccess:
    password = containers.services["topics"]["environment"]["KAFKA_SASL_PASSWORD"]
    return replace(containers.target.kafka, username=rights.STACK, password=password, mechanism=PLAIN)


async def connects(access: KafkaAccess) -> bool:
    client = AIOKafkaClient(**access.client)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await client.bootstrap()
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await client.close()
    return True


async def test_each_login_has_the_rights_of_the_contract_and_no_others(containers: Containers) -> None:
    declared = topics.entries(paths.contracts())
    principals = rights.principals(declared)
    names = [str(topic["name"]) for topic in declared]
    logins = [login_of(containers, principal) for principal in principals]
    answers = await try_all(logins, names, rights.readers_of(declared), "no-such-group")
    assert faults(answers, expected(principals, declared, answers.tried)) == []


async def test_the_published_port_takes_a_users_login_over_tls_and_no_other(containers: Containers) -> None:
    oracle = containers.target.kafka
    assert await connects(oracle)
    refused = {
        "another password": replace(oracle, password="another"),
        "no login": replace(oracle, username=""),
        "no TLS": replace(oracle, cafile=None),
        "neither": KafkaAccess(oracle.bootstrap),
        "the super user": super_user(containers),
    }
    assert [name for name, access in refused.items() if await connects(access)] == []


@pytest.mark.parametrize(
    "path", ["/tls/ca-key/ca.key", "/tls/broker/broker.pem", "/etc/kafka/secrets/broker.pem"]
)
def test_no_service_can_read_a_private_key(containers: Containers, path: str) -> None:
    assert containers.target.kafka.cafile is not None
    with pytest.raises(UserError, match="No such file"):
        compose.docker("compose", "exec", "--no-TTY", "orders", "cat", path)


def test_the_certificate_of_the_ca_is_that_which_services_have(
    containers: Containers, tmp_path: Path
) -> None:
    copied = tmp_path / "ca.crt"
    compose.docker("compose", "cp", "orders:/run/kafka/ca.crt", str(copied))
    assert containers.target.kafka.cafile is not None
    assert copied.read_text() == containers.target.kafka.cafile.read_text()
