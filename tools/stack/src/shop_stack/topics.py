"""Creates and configures the topics of contracts/topics.yaml, and adds partitions. It never deletes a topic.

As a program it also creates the users of the shop and their rights, if it logs in itself (KAFKA_SASL_USERNAME, as a
super user). The password of each user is in <USER>_KAFKA_PASSWORD, such as ORDERS_KAFKA_PASSWORD. The user `keda`
is created only if it has a password.

Run it in the repository's root: KAFKA_BOOTSTRAP_SERVERS=localhost:18092 python -m shop_stack.topics
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from shop_stack import kafka_access, rights
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.rights import Right

TOPIC_ALREADY_EXISTS = 36
T = TypeVar("T")
Entries: TypeAlias = Sequence[Mapping[str, Any]]
"""The list in topics.yaml."""


@dataclass(frozen=True)
class Topic:
    """One declared topic."""

    name: str
    partitions: int
    settings: Mapping[str, str]


def declared(contracts: Path) -> list[Topic]:
    """The topics of `contracts`/topics.yaml. Raises UserError if the file is missing or invalid."""
    return _read(contracts, lambda entries: [_topic(entry) for entry in entries])


def entries(contracts: Path) -> Entries:
    """The list in `contracts`/topics.yaml. Raises UserError if the file is missing or invalid."""
    return _read(contracts, lambda found: [entry for entry in found if entry["name"]])


def services(contracts: Path) -> tuple[str, ...]:
    """The owners and readers of the topics of `contracts`/topics.yaml, each once, in the order of the file.

    Raises UserError if the file is missing or invalid.
    """
    return _read(contracts, lambda entries: tuple(rights.services_of(entries)))


def rights_of(contracts: Path, principals: Sequence[str]) -> list[Right]:
    """The rights of the principals by `contracts`/topics.yaml. Raises UserError if the file is missing or invalid."""
    return _read(
        contracts,
        lambda entries: [right for each in principals for right in rights.rights_of(each, entries)],
    )


def _read(contracts: Path, understand: Callable[[Entries], T]) -> T:
    """Read topics.yaml and return `understand(entries)`. Raises UserError if the file is missing or invalid."""
    file = contracts / "topics.yaml"
    try:
        return understand(yaml.safe_load(file.read_text())["topics"])
    except FileNotFoundError:
        raise UserError(f"{file} is missing: run the command inside the repository.") from None
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file} does not declare topics as it should ({error!r}): correct it.") from None


def _topic(entry: Mapping[str, Any]) -> Topic:
    settings = {
        "cleanup.policy": str(entry["cleanup_policy"]),
        "retention.ms": str(entry["retention_ms"]),
    }
    return Topic(str(entry["name"]), int(entry["partitions"]), settings)


async def declare(
    access: KafkaAccess, topics: Sequence[Topic], patience: float = 30.0, replicas: int = 1
) -> None:
    """Create, widen and configure topics until the broker has what `topics` declares. Idempotent.

    `access` is the login of a principal that may create and change these topics. A new topic has its records on
    `replicas` brokers.

    Raises UserError if the broker refuses, or if it takes more than `patience` seconds.
    """
    try:
        async with asyncio.timeout(patience):
            admin = await _connected(access)
            try:
                await _declare(admin, topics, replicas)
            finally:
                await admin.close()
    except (KafkaError, TimeoutError) as error:
        raise UserError(
            f"The topics could not be declared on {access.bootstrap} ({error!r}): see `shop logs kafka`. If an older "
            "release has started this broker, `shop down` and then `shop up` start it with a login for each service."
        ) from error


async def _connected(access: KafkaAccess) -> AIOKafkaAdminClient:
    """A connected client. A broker that accepts connections may not answer requests yet, so the calls are repeated."""
    while True:
        admin = AIOKafkaAdminClient(**access.client)
        try:
            await admin.start()
            await admin.list_topics()
            return admin
        except KafkaError:
            await admin.close()
            await asyncio.sleep(0.5)


async def _declare(admin: AIOKafkaAdminClient, topics: Sequence[Topic], replicas: int) -> None:
    present = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics()}
    missing = [topic for topic in topics if topic.name not in present]
    if missing:
        await _create(admin, missing, replicas)
    kept = [topic for topic in topics if topic.name in present]
    wider = {topic.name: topic.partitions for topic in kept if topic.partitions > present[topic.name]}
    if wider:
        await admin.create_partitions({name: NewPartitions(count) for name, count in wider.items()})
    await _configure(admin, kept)


async def _create(admin: AIOKafkaAdminClient, topics: Sequence[Topic], replicas: int) -> None:
    answer = await admin.create_topics(
        [
            NewTopic(topic.name, topic.partitions, replicas, topic_configs=dict(topic.settings))
            for topic in topics
        ]
    )
    for name, code, *message in answer.topic_errors:
        if code not in (0, TOPIC_ALREADY_EXISTS):
            raise for_code(code)(f"{name}: {message}")


async def _configure(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> None:
    if not topics:
        return
    asked = [
        ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=dict.fromkeys(topic.settings, ""))
        for topic in topics
    ]
    current: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(asked):
        for _, _, _, name, entries in answer.resources:
            current[name] = {entry[0]: entry[1] for entry in entries}
    changed = [
        ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=dict(topic.settings))
        for topic in topics
        if any(current.get(topic.name, {}).get(key) != value for key, value in topic.settings.items())
    ]
    if changed:
        await admin.alter_configs(changed)


def main() -> None:
    try:
        topics = declared(Path("contracts"))
        access = kafka_access.from_environment(os.environ)
        asyncio.run(declare(access, topics, patience=120))
        print(f"{len(topics)} topics are as they are declared")
        if access.username:
            users = asyncio.run(_create_users(access))
            print(f"{users} users have the rights that the contract gives them")
    except UserError as error:
        sys.exit(str(error))


async def _create_users(admin: KafkaAccess) -> int:
    """Create the users whose passwords are in the environment. Returns their number. Raises UserError."""
    # It is imported here, because the library takes memory that a process which only declares topics does not need.
    from shop_stack import kafka_users

    users = users_of(admin, services(Path("contracts")), os.environ)
    principals = [user.username for user in users]
    await kafka_users.ensure(admin, users, rights_of(Path("contracts"), principals), patience=120)
    return len(users)


def users_of(admin: KafkaAccess, owners: Sequence[str], variables: Mapping[str, str]) -> list[KafkaAccess]:
    """The logins of the users to create: the services, the oracle, and KEDA if it has a password.

    `admin` is the login of the super user, and `owners` are the services. Raises UserError if a password is missing.
    """
    optional = [rights.KEDA] if variables.get(_variable(rights.KEDA)) else []
    return [
        replace(admin, username=name, password=_password_of(name, variables), mechanism=kafka_access.SCRAM)
        for name in (*owners, rights.ORACLE, *optional)
    ]


def _variable(principal: str) -> str:
    return f"{principal.upper()}_KAFKA_PASSWORD"


def _password_of(principal: str, variables: Mapping[str, str]) -> str:
    variable = _variable(principal)
    if password := variables.get(variable):
        return password
    raise UserError(f"{variable} is missing: set it to the password with which {principal} logs in to Kafka.")


if __name__ == "__main__":
    main()
