"""A service that exists only here: things are counted, and each count is remembered as an effect."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import structlog
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import SecretStr
from sqlalchemy import text

from chassis.events import Batch, Cause, ConsumedEvent, PublishedEvent, RawMessage, encode, new_id
from chassis.inbox import Inbox, Subscriptions
from chassis.outbox import Database, Transaction
from chassis.settings import ServiceSettings
from chassis.tuning import planner
from chassis.web import ServiceContext
from chassis.web.management import build_management_app
from shop_stack.kafka_access import KafkaAccess
from testkit import login, verifier_of
from testkit.databases import MakeDatabase, TestDatabase


@pytest.fixture(autouse=True)
def logging_stays() -> Iterator[None]:
    """A test that configures the log writes into its own captured output, which is closed after it."""
    yield
    structlog.reset_defaults()


PROJECT = Path(__file__).parent / "project"
TOPIC = "things.thing.v1"


class ThingCounted(PublishedEvent, type="things.thing-counted.v1", topic=TOPIC, key="name"):
    name: str
    number: int


class Counted(ConsumedEvent, type="things.thing-counted.v1", topic=TOPIC):
    name: str
    number: int


class Renamed(ConsumedEvent, type="things.thing-renamed.v1", topic=TOPIC):
    name: str


@dataclass
class Effects:
    """The tests' handlers, and what they have done."""

    fails: Callable[[str, int], Exception | None] = lambda name, number: None
    calls: int = 0

    async def count(self, tx: Transaction, events: Batch[Counted]) -> None:
        self.calls += 1
        for event in events:
            if error := self.fails(event.data.name, event.data.number):
                raise error
        await tx.connection.execute(
            text(
                "INSERT INTO effects (name, number, in_call)"
                " SELECT name, number, :call FROM unnest(CAST(:names AS text[]), CAST(:numbers AS int[]))"
                " AS e (name, number)"
            ),
            {
                "names": [e.data.name for e in events],
                "numbers": [e.data.number for e in events],
                "call": self.calls,
            },
        )

    async def rename(self, tx: Transaction, events: Batch[Renamed]) -> None:
        for event in events:
            tx.publish(ThingCounted(name=event.data.name, number=0), cause=event.cause)


async def _effects_in(database: Database) -> list[tuple[str, int]]:
    async with database.reading() as connection:
        rows = await connection.rows(text("SELECT name, number FROM effects ORDER BY id"))
        return [(name, number) for name, number in rows]


_offsets = itertools.count()


def _message(
    name: str,
    number: int,
    *,
    id: UUID | None = None,
    source: str = "/things",
    type: str = "things.thing-counted.v1",
    value: bytes | None = None,
    drop: str | None = None,
) -> RawMessage:
    headers = encode(id or new_id(), source, type, name, datetime.now(UTC), Cause(None, name, None))
    body = value if value is not None else f'{{"name": "{name}", "number": {number}}}'.encode()
    kept = [(header, v) for header, v in headers if header != drop]
    return RawMessage(TOPIC, (0, next(_offsets)), name.encode(), body, kept)


@pytest.fixture
async def project(database: MakeDatabase) -> TestDatabase:
    return await database("chassis", PROJECT)


@pytest.fixture
async def db(project: TestDatabase) -> AsyncIterator[Database]:
    opened = Database(project.url, server_settings=planner.SERVER_SETTINGS)
    yield opened
    await opened.close()


@pytest.fixture
async def kafka_admin(kafka: KafkaAccess) -> AsyncIterator[AIOKafkaAdminClient]:
    """Makes and deletes topics."""
    client = AIOKafkaAdminClient(**kafka.client)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
def effects() -> Effects:
    return Effects()


@pytest.fixture
def inbox(db: Database, subscriptions: Subscriptions) -> Inbox:
    return Inbox(db, "things", subscriptions, retries_at_once=True)


@pytest.fixture
def subscriptions(effects: Effects) -> Subscriptions:
    return Subscriptions(
        {Counted: effects.count, Renamed: effects.rename}, ignored={TOPIC: ["things.thing-ignored.v1"]}
    )


@pytest.fixture
async def operator(db: Database, inbox: Inbox) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client on the admin API of a service that has `db` and `inbox`."""
    settings = ServiceSettings(
        service_name="things", database_url=SecretStr(""), kafka_bootstrap_servers="127.0.0.1:1"
    )
    app = build_management_app(ServiceContext(settings, db, db, inbox, await verifier_of("things")))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://things", headers=login("things")
    ) as http:
        yield http


@pytest.fixture
def message() -> Callable[..., RawMessage]:
    """message(name, number, id=, source=, type=, value=, drop=header): a message as Kafka would deliver it."""
    return _message


@pytest.fixture
def effects_in() -> Callable[[Database], Awaitable[list[tuple[str, int]]]]:
    """await effects_in(db): what the handlers have written, in order."""
    return _effects_in


@pytest.fixture
def thing_counted() -> Callable[[str, int], PublishedEvent]:
    """thing_counted(name, number): an event to publish."""
    return lambda name, number: ThingCounted(name=name, number=number)
