"""A service whose Kafka user is refused waits, says which right it lacks, and continues when it has the right."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from fastapi import APIRouter
from pydantic import SecretStr
from sqlalchemy import text

from chassis.errors import KafkaRefused, is_unavailable
from chassis.events import Cause, RawMessage
from chassis.inbox import Subscriptions
from chassis.kafka import KafkaPublisher, broker_watch
from chassis.kafka.refusals import Login, new_login, raising_refused
from chassis.kafka.topic_retention import check_retention
from chassis.observability.status import TaskStatus
from chassis.outbox import Database, RowsNotSent, UnsentReason
from chassis.outbox import rows as outbox_rows
from chassis.outbox.rows import new_row
from chassis.service import Service, build_service
from chassis.settings import ServiceSettings
from shop_stack import kafka_users, topics
from shop_stack.kafka_access import KafkaAccess, KafkaLogins
from shop_stack.rights import LAB, STACK, Operation, Resource, Right
from shop_stack.topics import Topic
from testkit import client, eventually, management_client
from testkit.databases import TestDatabase
from testkit.logins import login_of

SECONDS = 40
"""The longest time until a service has noticed a change of its rights."""
READ, WRITE = Operation.READ, Operation.WRITE
DESCRIBE, DESCRIBE_CONFIGS = Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS


@dataclass
class User:
    """A Kafka user with a topic, and a group of its own name."""

    admin: KafkaAccess
    login: KafkaAccess
    topic: str

    @property
    def name(self) -> str:
        return self.login.username

    async def may(self, *on_topic: Operation, group: bool = True) -> None:
        """Have exactly these rights."""
        rights = [Right(self.name, Resource.TOPIC, self.topic, operation) for operation in on_topic]
        if group:
            rights.append(Right(self.name, Resource.GROUP, self.name, READ))
        await kafka_users.ensure(self.admin, [self.login], rights)


@pytest.fixture
async def user(logins: KafkaLogins) -> User:
    name = f"things-{uuid4().hex[:8]}"
    topic = f"things.{name}.v1"  # the event's source, /things, is its owner
    await topics.declare(
        logins.of(LAB), [Topic(topic, 1, {"cleanup.policy": "delete", "retention.ms": "600000"})]
    )
    return User(logins.of(STACK), KafkaAccess(logins.bootstrap, name, f"secret-{name}"), topic)


def service_of(user: User, project: TestDatabase, subscriptions: Subscriptions) -> Service:
    settings = ServiceSettings(
        **login_of(user.login),
        service_name=user.name,
        database_url=SecretStr(project.url),
        SHOP_ROLE="worker",
    )
    on_own_topic = subscriptions_on(user.topic, subscriptions)
    return build_service(settings, router=APIRouter(), subscriptions=on_own_topic)


def subscriptions_on(topic: str, subscriptions: Subscriptions) -> Subscriptions:
    """The handler of counted things, on another topic."""
    counted = subscriptions.by_type["things.thing-counted.v1"]
    model = type("Counted", (counted.model,), {"topic": topic}, type="things.thing-counted.v1", topic=topic)
    return Subscriptions({model: counted.handler})


async def becomes(http: httpx.AsyncClient, status: int, check: str = "") -> None:
    """The service comes to answer `/readyz` so; `check` is in the text of its consumer."""

    async def agrees() -> None:
        answer = await http.get("/readyz")
        assert answer.status_code == status, answer.text
        assert check in answer.json()["checks"]["consumer"]

    await eventually(agrees, SECONDS)


@pytest.fixture
def publish(logins: KafkaLogins, message: Callable[..., RawMessage]) -> Callable[[str, int], Any]:
    async def put(topic: str, number: int) -> None:
        event = message("thing", number)
        async with AIOKafkaProducer(**logins.of(LAB).client) as producer:
            await producer.send_and_wait(topic, event.value, event.key, headers=list(event.headers))

    return put


async def letters(db: Database) -> int:
    async with db.reading() as connection:
        return int((await connection.rows(text("SELECT count(*) FROM dead_letters")))[0][0])


@pytest.mark.parametrize(
    ("left", "group", "missing"),
    [
        pytest.param([DESCRIBE, DESCRIBE_CONFIGS], True, "lacks the right Read on the topic", id="read"),
        pytest.param([READ, DESCRIBE_CONFIGS], False, "lacks the right Read on the group", id="group"),
    ],
)
async def test_a_service_that_loses_a_right_waits_without_dead_letters_until_it_is_given_back(
    user: User,
    project: TestDatabase,
    db: Database,
    subscriptions: Subscriptions,
    publish: Any,
    effects_in: Any,
    left: Collection[Operation],
    group: bool,
    missing: str,
) -> None:
    await user.may(READ, DESCRIBE_CONFIGS)

    async def has_counted(*numbers: int) -> None:
        assert await effects_in(db) == [("thing", number) for number in numbers]

    service = service_of(user, project, subscriptions)
    async with client(service), management_client(service) as http:
        await publish(user.topic, 1)
        await eventually(lambda: has_counted(1), SECONDS)
        await user.may(*left, group=group)
        await becomes(http, 503, f"waits for kafka: the Kafka user {user.name} {missing} ")
        await publish(user.topic, 2)
        await has_counted(1)
        await user.may(READ, DESCRIBE_CONFIGS)
        await eventually(lambda: has_counted(1, 2), SECONDS)
        await becomes(http, 200)
    assert await letters(db) == 0


async def test_a_service_with_a_wrong_password_waits_until_the_broker_has_it(
    user: User, project: TestDatabase, subscriptions: Subscriptions
) -> None:
    await user.may(READ, DESCRIBE_CONFIGS)
    wrong = replace(user, login=replace(user.login, password="another-secret"))
    service = service_of(wrong, project, subscriptions)
    async with client(service), management_client(service) as http:
        await becomes(
            http, 503, f"Kafka refuses the login of the Kafka user {user.name}: KAFKA_SASL_PASSWORD"
        )
        await wrong.may(READ, DESCRIBE_CONFIGS)
        await becomes(http, 200)


class Cut:
    """A consumer of aiokafka that has lost its connections, as far as the watch uses one."""

    def assignment(self) -> frozenset[Any]:
        return frozenset()

    async def topics(self) -> None:
        raise KafkaConnectionError("no connection to a node")


@pytest.mark.parametrize(
    ("password", "told"),
    [
        pytest.param("another-secret", "Kafka refuses the login of the Kafka user", id="refused"),
        pytest.param("", "KafkaConnectionError", id="cut-off"),
    ],
)
async def test_a_consumer_that_cannot_connect_again_says_whether_its_login_is_refused(
    user: User, monkeypatch: pytest.MonkeyPatch, password: str, told: str
) -> None:
    monkeypatch.setattr(broker_watch, "CHECK_SECONDS", 0.05)
    await user.may(READ, DESCRIBE_CONFIGS)
    login = replace(user.login, password=password or user.login.password)
    status = TaskStatus()
    watch = broker_watch.BrokerWatch(cast(AIOKafkaConsumer, Cut()), status, login.client)
    watching = asyncio.create_task(watch.run())

    async def says_so() -> None:
        assert status.text.startswith(f"waits for kafka: {told}")

    await eventually(says_so, SECONDS)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_a_new_login_is_accepted_or_refused_or_gets_no_answer(user: User) -> None:
    await user.may(READ)
    wrong = replace(user.login, password="another-secret")
    nowhere = {**user.login.client, "bootstrap_servers": "127.0.0.1:1"}
    assert await new_login(user.login.client) is Login.ACCEPTED
    assert await new_login(wrong.client) is Login.REFUSED
    assert await new_login(nowhere) is Login.NO_ANSWER


async def test_a_service_that_may_not_write_one_of_its_topics_stays_ready_and_the_rows_stand_aside(
    user: User, project: TestDatabase, db: Database, subscriptions: Subscriptions
) -> None:
    """Other topics are sent, and another process of the service would lack the same right (ADR 0023)."""
    names = [f"{user.topic}.first", f"{user.topic}.second"]
    await topics.declare(user.admin, [Topic(name, 1, {"cleanup.policy": "delete"}) for name in names])
    reading = [Right(user.name, Resource.TOPIC, user.topic, each) for each in (READ, DESCRIBE_CONFIGS)]
    reading.append(Right(user.name, Resource.GROUP, user.name, READ))
    writing = [Right(user.name, Resource.TOPIC, name, WRITE) for name in names]
    await kafka_users.ensure(user.admin, [user.login], [*reading, writing[0]])
    service = service_of(user, project, subscriptions)
    async with client(service), management_client(service) as http:
        await becomes(http, 200)
        async with db.transaction() as tx:
            made = [new_row(name, "a", "x.y.v1", Cause(None, "a", None), "{}") for name in names]
            await outbox_rows.write(tx.connection, made)

        async def one_stands_aside() -> None:
            lacks = f"the Kafka user {user.name} lacks the right Write on the topic {names[1]}"
            found = [(topic, state, lacks in error) for topic, state, error in await set_aside(http)]
            assert found == [(names[1], "DELAYED", True)]

        await eventually(one_stands_aside, SECONDS)
        answer = await http.get("/readyz?require=all")
        assert (answer.status_code, answer.json()["checks"]["relay"]) == (200, "ok")
        await kafka_users.ensure(user.admin, [user.login], [*reading, *writing])

        async def none_stands_aside() -> None:
            assert await set_aside(http) == []

        await eventually(none_stands_aside, SECONDS)
    assert await letters(db) == 0


async def set_aside(http: httpx.AsyncClient) -> list[tuple[str, str, str]]:
    """Topic, state and error of each open row that is set aside."""
    found = (await http.get("/admin/outbox/set-aside")).json()
    return [(row["topic"], row["state"], row["error"]) for row in found]


async def test_a_missing_right_to_see_a_topics_settings_is_named(user: User) -> None:
    await user.may(READ)
    with pytest.raises(
        KafkaRefused, match=f"{user.name} lacks the right DescribeConfigs on the topic {user.topic}"
    ):
        await check_retention(user.login.client, [user.topic], timedelta(days=30))


@pytest.fixture
async def publisher(user: User) -> AsyncIterator[KafkaPublisher]:
    opened = KafkaPublisher(user.login.client, "/things")
    yield opened
    await opened.close()


async def test_rows_of_a_topic_that_the_user_may_not_write_stand_aside_with_the_missing_right(
    user: User, publisher: KafkaPublisher
) -> None:
    other = replace(user, topic=f"{user.topic}.other")
    await topics.declare(user.admin, [Topic(other.topic, 1, {"cleanup.policy": "delete"})])
    await user.may(WRITE)
    rows = [
        new_row(topic, "a", "x.y.v1", Cause(None, "a", None), "{}") for topic in (user.topic, other.topic)
    ]
    with pytest.raises(RowsNotSent) as caught:
        await publisher.send(rows)
    ((row, reason, error),) = [(each.row, each.reason, each.error) for each in caught.value.unsent]
    assert (row, reason) == (rows[1], UnsentReason.TOPIC_UNAVAILABLE)
    assert f"the Kafka user {user.name} lacks the right Write on the topic {other.topic}" in error
    grants = [Right(user.name, Resource.TOPIC, topic, WRITE) for topic in (user.topic, other.topic)]
    await kafka_users.ensure(user.admin, [user.login], grants)
    await publisher.send([rows[1]])


async def test_a_user_that_may_write_nothing_is_refused_as_a_fault_of_the_system(
    user: User, publisher: KafkaPublisher
) -> None:
    await user.may()
    row = new_row(user.topic, "a", "x.y.v1", Cause(None, "a", None), "{}")
    with pytest.raises(KafkaRefused, match=f"{user.name} lacks the right Write on every topic") as caught:
        await publisher.send([row])
    assert is_unavailable(caught.value)
    await user.may(WRITE)
    await publisher.send([row])


async def test_a_broker_that_is_away_is_no_refusal(user: User) -> None:
    nowhere = {**user.login.client, "bootstrap_servers": "127.0.0.1:1"}
    with pytest.raises(KafkaConnectionError):
        async with raising_refused(nowhere, "Read"):
            raise KafkaConnectionError("no broker answers")
