"""Topics are what contracts/topics.yaml says, whenever it is declared."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shop_stack import paths, topics
from shop_stack.errors import UserError
from shop_stack.kafka_access import PLAIN, SCRAM, KafkaAccess, KafkaLogins
from shop_stack.rights import STACK
from shop_stack.topics import Topic
from testkit import eventually


def topic(partitions: int = 2, retention: str = "60000", name: str | None = None) -> Topic:
    settings = {"cleanup.policy": "delete", "retention.ms": retention}
    return Topic(name or f"test.{uuid.uuid4().hex}", partitions, settings)


async def becomes(kafka: KafkaAccess, name: str, partitions: int, retention: str) -> None:
    """The broker comes to have the topic so; what its controller has written reaches it a little later."""

    async def agrees() -> None:
        assert await seen(kafka, name) == (partitions, retention)

    await eventually(agrees)


async def seen(kafka: KafkaAccess, name: str) -> tuple[int, str | None]:
    """Partitions and retention.ms of a topic, as far as the broker knows it."""
    admin = AIOKafkaAdminClient(**kafka.client)
    await admin.start()
    try:
        (found,) = await admin.describe_topics([name])
        asked = [ConfigResource(ConfigResourceType.TOPIC, name, configs={"retention.ms": ""})]
        (answer,) = await admin.describe_configs(asked)
        settings = {entry[0]: entry[1] for entry in answer.resources[0][4]}
        return len(found["partitions"]), settings.get("retention.ms")
    finally:
        await admin.close()


async def test_a_topic_is_created_as_declared_and_declaring_it_again_changes_nothing(
    kafka: KafkaAccess,
) -> None:
    wanted = topic()
    await topics.declare(kafka, [wanted])
    await topics.declare(kafka, [wanted])
    await becomes(kafka, wanted.name, 2, "60000")


async def test_a_topic_gets_more_partitions_and_other_settings_but_never_fewer_partitions(
    kafka: KafkaAccess,
) -> None:
    first = topic()
    await topics.declare(kafka, [first])
    await topics.declare(kafka, [topic(partitions=5, retention="120000", name=first.name)])
    await becomes(kafka, first.name, 5, "120000")
    await topics.declare(kafka, [topic(partitions=1, retention="120000", name=first.name)])
    await becomes(kafka, first.name, 5, "120000")


async def test_a_broker_that_does_not_answer_is_one_sentence_with_the_cure() -> None:
    with pytest.raises(UserError, match=r"could not be declared on 127\.0\.0\.1:1 .*shop logs kafka"):
        await topics.declare(KafkaAccess("127.0.0.1:1"), [topic()], patience=0.3)


async def test_the_program_creates_topics_users_and_rights_with_the_passwords_of_its_environment(
    logins: KafkaLogins, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(paths.repository())
    for name, value in logins.of(STACK).environment.items():
        monkeypatch.setenv(name, value)
    for principal, password in logins.passwords.items():
        monkeypatch.setenv(f"{principal.upper()}_KAFKA_PASSWORD", password)
    await asyncio.to_thread(topics.main)
    assert capsys.readouterr().out.splitlines() == [
        "10 topics are as they are declared",
        "6 users have the rights that the contract gives them",
    ]
    monkeypatch.delenv("PAYMENTS_KAFKA_PASSWORD")
    with pytest.raises(SystemExit, match="PAYMENTS_KAFKA_PASSWORD is missing: set it to the password"):
        await asyncio.to_thread(topics.main)


def test_a_file_that_declares_no_topics_is_one_sentence_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing: run the command inside the repository"):
        topics.declared(tmp_path)
    (tmp_path / "topics.yaml").write_text("topics:\n  - name: a.b.v1\n")
    with pytest.raises(UserError, match="does not declare topics as it should .*: correct it"):
        topics.declared(tmp_path)


PASSWORDS = {"ORDERS_KAFKA_PASSWORD": "of-orders", "ORACLE_KAFKA_PASSWORD": "of-oracle"}
SUPER_USER = KafkaAccess("kafka:9092", "topics", "of-topics", PLAIN, Path("/run/kafka/ca.crt"))


def test_users_log_in_by_scram_with_their_own_passwords_and_the_ca_of_the_super_user() -> None:
    assert topics.users_of(SUPER_USER, ["orders"], PASSWORDS) == [
        KafkaAccess("kafka:9092", "orders", "of-orders", SCRAM, Path("/run/kafka/ca.crt")),
        KafkaAccess("kafka:9092", "oracle", "of-oracle", SCRAM, Path("/run/kafka/ca.crt")),
    ]


def test_keda_is_a_user_only_where_it_has_a_password() -> None:
    variables = {**PASSWORDS, "KEDA_KAFKA_PASSWORD": "of-keda", "LAB_KAFKA_PASSWORD": "of-lab"}
    names = [user.username for user in topics.users_of(SUPER_USER, ["orders"], variables)]
    assert names == ["orders", "oracle", "keda"]


@pytest.mark.parametrize("missing", ["orders", "oracle"])
def test_a_missing_password_is_named(missing: str) -> None:
    variable = f"{missing.upper()}_KAFKA_PASSWORD"
    variables = {name: value for name, value in PASSWORDS.items() if name != variable}
    with pytest.raises(UserError, match=variable):
        topics.users_of(SUPER_USER, ["orders"], variables)
