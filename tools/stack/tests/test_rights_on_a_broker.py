"""The rights as a matrix: each principal tries each operation on each topic and group of a real broker."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import yaml
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka.admin import AdminClient

from shop_stack import kafka_users, paths, rights, topics
from shop_stack.kafka_access import PLAIN, KafkaAccess, KafkaLogins
from shop_stack.rights import LAB, STACK, Operation, Resource, Right
from shop_stack.rights_trials import Answers, Cell, expected, faults, try_all
from shop_stack.topics import Topic

TOPICS: list[dict[str, Any]] = yaml.safe_load((paths.contracts() / "topics.yaml").read_text())["topics"]
PRINCIPALS = [*rights.principals(TOPICS), LAB]
NAMES = [*(topic["name"] for topic in TOPICS), "undeclared.topic.v1", "__consumer_offsets"]
GROUPS = rights.readers_of(TOPICS)
SETTINGS = {"cleanup.policy": "delete", "retention.ms": "60000"}
PLANTED = Cell("orders", Resource.TOPIC, "payments.payment.v1", Operation.WRITE)


async def answers_of(logins: KafkaLogins, principals: Sequence[str] = PRINCIPALS) -> Answers:
    return await try_all([logins.of(each) for each in principals], NAMES, GROUPS, "no-such-group")


async def test_the_broker_allows_what_the_contract_allows_and_nothing_else(logins: KafkaLogins) -> None:
    answers = await answers_of(logins)
    wanted = expected(PRINCIPALS, TOPICS, answers.tried)
    assert faults(answers, wanted) == []
    assert len(answers.tried) == len(PRINCIPALS) * (len(NAMES) * 8 + (len(GROUPS) + 1) * 2 + 3)
    assert {cell.principal for cell in answers.allowed} == set(PRINCIPALS)


async def test_a_planted_right_is_seen_on_the_broker_and_taken_away_again(logins: KafkaLogins) -> None:
    """Another principal than those of the matrix, because tests share the broker."""
    planted = KafkaAccess(logins.bootstrap, "planted", "planted-secret")
    right = Right("planted", Resource.TOPIC, "orders.order.v1", Operation.WRITE)
    everyone = KafkaLogins(logins.bootstrap, {**logins.passwords, "planted": planted.password})
    await kafka_users.ensure(logins.of(STACK), [planted], [right])
    answers = await answers_of(everyone, ["planted"])
    assert faults(answers, expected(["planted"], TOPICS, answers.tried)) == [
        "planted may do Describe on the topic orders.order.v1: the contract does not say so.",
        "planted may do Write on the topic orders.order.v1: the contract does not say so.",
    ]
    await kafka_users.ensure(logins.of(STACK), [planted], [])
    answers = await answers_of(everyone, ["planted"])
    assert answers.allowed == frozenset()


async def test_a_broker_without_an_authorizer_turns_the_matrix_red(logins: KafkaLogins) -> None:
    """Such a broker allows everything to every login, as this one does to its super user."""
    answers = await answers_of(logins, [STACK])
    assert answers.allowed == answers.tried
    as_orders = frozenset(cell._replace(principal="orders") for cell in answers.allowed)
    wanted = expected(["orders"], TOPICS, as_orders)
    found = faults(Answers(as_orders, as_orders), wanted)
    assert len(found) == len(as_orders) - len(wanted)
    assert "orders may do Write on the topic payments.payment.v1: the contract does not say so." in found


def test_one_planted_allow_and_one_planted_refusal_are_named() -> None:
    granted = Cell("orders", Resource.TOPIC, "orders.order.v1", Operation.WRITE)
    tried = frozenset({PLANTED, granted})
    wanted = expected(["orders"], TOPICS, tried)
    assert wanted == {granted}
    assert faults(Answers(tried, frozenset({granted})), wanted) == []
    assert faults(Answers(tried, frozenset({granted, PLANTED})), wanted) == [
        "orders may do Write on the topic payments.payment.v1: the contract does not say so."
    ]
    assert faults(Answers(tried, frozenset()), wanted) == [
        "orders may not do Write on the topic orders.order.v1: the contract says that it may."
    ]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"username": "", "password": ""}, id="no login"),
        pytest.param({"password": "wrong"}, id="a wrong password"),
        pytest.param({"username": "nobody"}, id="an unknown user"),
        pytest.param({"mechanism": PLAIN}, id="a service by PLAIN"),
        pytest.param({"username": STACK, "mechanism": PLAIN, "password": "wrong"}, id="a wrong super user"),
    ],
)
async def test_the_broker_accepts_no_other_login(logins: KafkaLogins, change: dict[str, Any]) -> None:
    assert await kafka_users.can_log_in(logins.of("orders"))
    assert not await kafka_users.can_log_in(replace(logins.of("orders"), **change))


async def test_a_password_that_has_changed_is_set_and_the_old_one_is_refused(logins: KafkaLogins) -> None:
    first = KafkaAccess(logins.bootstrap, "changing", "first-secret")
    second = replace(first, password="second-secret")
    await kafka_users.ensure(logins.of(STACK), [first], [])
    assert await kafka_users.can_log_in(first)
    await kafka_users.ensure(logins.of(STACK), [second], [])
    assert (await kafka_users.can_log_in(first), await kafka_users.can_log_in(second)) == (False, True)


async def test_ensuring_again_changes_nothing(logins: KafkaLogins, monkeypatch: pytest.MonkeyPatch) -> None:
    user = KafkaAccess(logins.bootstrap, "steady", "steady-secret")
    right = Right("steady", Resource.GROUP, "steady", Operation.READ)
    await kafka_users.ensure(logins.of(STACK), [user], [right])

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be changed")

    for change in ("create_acls", "delete_acls", "alter_user_scram_credentials"):
        monkeypatch.setattr(AdminClient, change, refuse)
    await kafka_users.ensure(logins.of(STACK), [user], [right])


async def test_rights_of_others_are_left_as_they_are(logins: KafkaLogins) -> None:
    await kafka_users.ensure(logins.of(STACK), [logins.of(LAB)], rights.lab_rights())
    await kafka_users.ensure(logins.of(STACK), [logins.of("orders")], rights.service_rights("orders", TOPICS))
    answers = await answers_of(logins, [LAB])
    assert faults(answers, expected([LAB], TOPICS, answers.tried)) == []


async def test_a_trial_changes_nothing(logins: KafkaLogins) -> None:
    """STACK, which may do everything, makes every trial on a topic with one record."""
    name = f"trial.{uuid.uuid4().hex}.v1"
    await topics.declare(logins.of(LAB), [Topic(name, 2, SETTINGS)])
    async with AIOKafkaProducer(**logins.of(LAB).client) as producer:
        await producer.send_and_wait(name, b"one", partition=0)
    answers = await try_all([logins.of(STACK)], [name], GROUPS, "no-such-group")
    assert answers.allowed == answers.tried
    async with AIOKafkaConsumer(**logins.of(LAB).client) as consumer:
        places = [TopicPartition(name, partition) for partition in (0, 1)]
        assert await consumer.beginning_offsets(places) == dict.fromkeys(places, 0)
        assert await kafka_users.rights_of(logins.of(STACK), "nobody") == []
        assert await consumer.end_offsets(places) == dict(zip(places, (1, 0), strict=True))
