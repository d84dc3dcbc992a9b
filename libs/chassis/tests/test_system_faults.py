"""Every error that a dependency can raise: a fault of the system writes no dead letter and is answered with 503."""

import asyncio
import builtins
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiokafka.errors
import asyncpg
import httpx
import pytest
from fastapi import APIRouter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import text

from chassis.errors import Unavailable, is_unavailable
from chassis.events import RawMessage, new_id
from chassis.inbox import Inbox, Subscriptions
from chassis.outbox import Database
from chassis.service import Service, build_service
from chassis.settings import ServiceSettings
from chassis.web import Db, GuardedRoute
from chassis.web.access import PUBLIC
from testkit import client, management_client
from testkit.databases import TestDatabase

Message = Callable[..., RawMessage]
EffectsIn = Callable[[Database], Awaitable[list[tuple[str, int]]]]


def classes(module: Any, base: type[Exception]) -> list[type[Exception]]:
    found: list[type[Exception]] = [
        c for c in vars(module).values() if inspect.isclass(c) and issubclass(c, base)
    ]
    return sorted(set(found), key=lambda error: error.__name__)


POSTGRES = classes(asyncpg, asyncpg.PostgresError)
CLIENT = [*classes(asyncpg, asyncpg.InterfaceError), *classes(asyncpg, asyncpg.InternalClientError)]
KAFKA = classes(aiokafka.errors, aiokafka.errors.KafkaError)
SYSTEM = [*classes(builtins, OSError), Unavailable]

VALUE_CLASSES = {"02", "20", "21", "22", "23", "27", "2F", "38", "39", "44", "54", "P0"}


def instance(error: type[Exception]) -> Exception:
    made = error.__new__(error)
    made.args = ("made by a test",)
    return made


def blames_the_event(error: type[Exception]) -> bool:
    """What is right, told in another way than the code tells it."""
    if issubclass(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in VALUE_CLASSES
    return error is asyncpg.DataError or error.__name__ == "DataError"


@pytest.mark.parametrize("error", [*POSTGRES, *CLIENT, *KAFKA, *SYSTEM], ids=lambda error: error.__name__)
def test_only_an_error_about_a_value_is_a_fault_of_the_event(error: type[Exception]) -> None:
    assert is_unavailable(instance(error)) is not blames_the_event(error)


@pytest.mark.parametrize(
    ("name", "sqlstate"),
    [
        ("InsufficientPrivilegeError", "42501"),
        ("UndefinedTableError", "42P01"),
        ("UndefinedColumnError", "42703"),
        ("LockNotAvailableError", "55P03"),
        ("QueryCanceledError", "57014"),
        ("InvalidCachedStatementError", "0A000"),
        ("InvalidPasswordError", "28P01"),
        ("InvalidAuthorizationSpecificationError", "28000"),
        ("InvalidCatalogNameError", "3D000"),
        ("IdleInTransactionSessionTimeoutError", "25P03"),
    ],
)
def test_the_faults_that_were_seen_are_the_systems(name: str, sqlstate: str) -> None:
    error = getattr(asyncpg, name)
    assert error.sqlstate == sqlstate
    assert is_unavailable(instance(error))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(error=st.sampled_from([*POSTGRES, *CLIENT, *KAFKA, *SYSTEM]), number=st.integers(0, 1_000))
async def test_a_handler_that_meets_a_fault_of_the_system_makes_no_letter(
    db: Database, subscriptions: Subscriptions, effects: Any, message: Message, error: Any, number: int
) -> None:
    inbox = Inbox(db, "things", subscriptions, max_attempts=1, retries_at_once=True)
    effects.fails = lambda name, number: instance(error)
    before = await letters(db)
    fault: Exception | None = None
    try:
        await inbox.process([message(str(new_id()), number)])
    except Exception as raised:
        fault = raised
    assert isinstance(fault, error) is not blames_the_event(error)
    assert (await letters(db) > before) is blames_the_event(error)


@pytest.fixture
async def owner(project: TestDatabase) -> AsyncIterator[Database]:
    """As migrations connect."""
    opened = Database(project.owner_url)
    yield opened
    await opened.close()


async def letters(db: Database) -> int:
    async with db.reading() as connection:
        return int(await connection.value(text("SELECT count(*) FROM dead_letters")))


async def test_an_event_waits_while_a_column_is_missing_and_is_handled_afterwards(
    db: Database, owner: Database, inbox: Inbox, message: Message, effects_in: EffectsIn
) -> None:
    event = message("a", 1)
    async with owner.reading() as connection:
        await connection.execute(text("ALTER TABLE effects RENAME COLUMN in_call TO in_the_call"))
    with pytest.raises(asyncpg.UndefinedColumnError):
        await inbox.process([event])
    async with owner.reading() as connection:
        await connection.execute(text("ALTER TABLE effects RENAME COLUMN in_the_call TO in_call"))
    await inbox.process([event])
    assert await effects_in(db) == [("a", 1)]
    assert await letters(db) == 0


router = APIRouter(route_class=GuardedRoute, dependencies=[PUBLIC])


@router.post("/things")
async def count(number: int, db: Db) -> list[str]:
    async with db.transaction() as tx:
        insert = text("INSERT INTO effects (name, number, in_call) VALUES ('a', :number, 0)")
        await tx.connection.execute(insert, {"number": number})
        return [row.name for row in await tx.connection.rows(text("SELECT * FROM effects"))]


@router.get("/refused")
async def refused(db: Db, sqlstate: str) -> None:
    async with db.reading() as connection:
        raises = f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}'; END $$"
        await connection.driver.execute(raises)


@pytest.fixture
def service(project: TestDatabase) -> Service:
    return build_service(
        ServiceSettings(
            service_name="things",
            database_url=SecretStr(project.url),
            kafka_bootstrap_servers="127.0.0.1:1",
            SHOP_ROLE="api",
        ),
        router=router,
    )


@pytest.fixture
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with client(service) as opened:
        yield opened


@pytest.fixture
async def managing(http: httpx.AsyncClient, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """On the management port of the service that runs."""
    async with management_client(service) as opened:
        yield opened


async def test_requests_that_meet_a_changed_table_are_answered_and_have_one_effect(
    http: httpx.AsyncClient, db: Database, owner: Database, effects_in: EffectsIn
) -> None:
    async def post(number: int) -> int:
        return (await http.post("/things", params={"number": number})).status_code

    before = await asyncio.gather(*map(post, range(16)))
    async with owner.reading() as connection:
        await connection.execute(text("ALTER TABLE effects ALTER COLUMN name TYPE varchar(30)"))
    after = await asyncio.gather(*map(post, range(16, 32)))
    assert set(before) == set(after) == {200}
    assert sorted(number for _, number in await effects_in(db)) == list(range(32))


@pytest.mark.parametrize("sqlstate", ["42501", "42P01", "42703", "55P03", "57014", "0A000", "28P01", "3D000"])
async def test_a_fault_of_the_system_is_answered_with_503_and_when_to_come_back(
    http: httpx.AsyncClient, sqlstate: str
) -> None:
    answer = await http.get("/refused", params={"sqlstate": sqlstate})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("verb", ["send-again", "give-up"])
async def test_an_operator_is_answered_after_the_table_of_set_aside_rows_was_changed(
    managing: httpx.AsyncClient, owner: Database, verb: str
) -> None:
    async def status() -> int:
        return (await managing.post(f"/admin/outbox/{verb}", json={"id": 1})).status_code

    before = [await status() for _ in range(4)]
    async with owner.reading() as connection:
        # The statement returns this column: inside a transaction its prepared form cannot be used any more.
        await connection.execute(text("ALTER TABLE outbox_set_aside ALTER COLUMN id TYPE numeric"))
    after = [await status() for _ in range(4)]
    assert set(after) == set(before)
    assert set(after) <= {200, 202}


@pytest.mark.parametrize(
    "path",
    [
        "/admin/dead-letters/redrive",
        "/admin/dead-letters/discard",
        "/admin/outbox/send-again",
        "/admin/outbox/give-up",
    ],
)
async def test_an_operator_is_told_when_to_come_back_while_the_database_is_away(path: str) -> None:
    service = build_service(
        ServiceSettings(
            service_name="things",
            database_url=SecretStr("postgresql://nowhere@127.0.0.1:1/things"),
            kafka_bootstrap_servers="127.0.0.1:1",
        ),
        router=router,
    )
    async with management_client(service) as operator:
        answer = await operator.post(path, json={"id": 1})
    assert (answer.status_code, answer.headers.get("retry-after")) == (503, "1")
    assert answer.json()["type"] == "urn:shopfloor:problem:database-unavailable"
