"""A password in a file is read at each login, so it can change while a service runs."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError
from pydantic import ValidationError

from chassis.errors import DatabaseUnavailable, is_refusal
from chassis.outbox import Database
from chassis.passwords import PasswordInFile, PasswordMissing, read_password
from chassis.postgres import connection as connections
from chassis.settings import ServiceSettings
from shop_stack import kafka_users
from shop_stack.kafka_access import KafkaAccess, KafkaLogins
from shop_stack.postgres import Server
from shop_stack.rights import STACK
from testkit.databases import TestDatabase

RIGHT = {
    "service_name": "things",
    "database_url": "postgresql://things@db:5432/things",
    "kafka_bootstrap_servers": "kafka:9092",
}
SASL = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "things"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "password"
    made.write_text("first-secret\n")
    return made


def settings(**more: object) -> ServiceSettings:
    return ServiceSettings.model_validate(RIGHT | more)


@pytest.mark.parametrize("content", ["secret", "secret\n", "secret\r\n", "secret\nmore\n"])
def test_the_first_line_of_the_file_is_the_password(file: Path, content: str) -> None:
    file.write_bytes(content.encode())
    assert read_password(file) == "secret"
    assert PasswordInFile(file).encode() == b"secret"


@pytest.mark.parametrize("content", [b"", b"\n", b"\nsecret", b"\xff\xfe"])
def test_a_file_without_a_password_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(PasswordMissing):
        read_password(file)
    with pytest.raises(ValidationError, match="no password can be read there"):
        settings(database_password_file=file)


def test_a_password_that_changes_is_read_again_and_is_not_in_the_text(file: Path) -> None:
    given = settings(**SASL, kafka_sasl_password_file=file, database_password_file=file)
    kafka = given.kafka["sasl_plain_password"]
    assert given.database_password is not None
    assert (kafka.encode("utf-8"), given.database_password()) == (b"first-secret", "first-secret")
    file.write_text("second-secret")
    assert (kafka.encode("utf-8"), given.database_password()) == (b"second-secret", "second-secret")
    assert "secret" not in repr(given) + str(kafka) + repr(given.kafka)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"kafka_sasl_password": "x"}, "and not both"),
        ({"kafka_sasl_mechanism": "PLAIN"}, "of SCRAM"),
        ({"kafka_sasl_username": ""}, "KAFKA_SASL_PASSWORD_FILE"),
    ],
)
def test_a_password_file_that_does_not_fit_the_other_settings_is_refused(
    file: Path, wrong: dict[str, str], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        settings(**SASL | wrong, kafka_sasl_password_file=file)


def test_a_missing_file_ends_the_process_and_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="(?s)kafka_sasl_password_file.*FileNotFoundError"):
        settings(**SASL, kafka_sasl_password_file=tmp_path / "nothing")


@pytest.fixture
async def role(postgres_server: Server, project: TestDatabase) -> AsyncIterator[str]:
    """A role of PostgreSQL with the password first-secret, which may connect to `project`."""
    name = f"renewed_{uuid4().hex[:8]}"
    async with postgres_server.connected() as admin:
        await admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'first-secret'")
        await admin.execute(f'GRANT CONNECT ON DATABASE "{project.name}" TO {name}')
        yield name
        await admin.execute(f'REVOKE CONNECT ON DATABASE "{project.name}" FROM {name}')
        await admin.execute(f"DROP ROLE {name}")


def url_of(project: TestDatabase, role: str) -> str:
    parts = urlsplit(project.url)
    return f"postgresql://{role}@{parts.hostname}:{parts.port}{parts.path}"


async def one(database: Database) -> None:
    await database.check(10)


async def set_password(server: Server, role: str, password: str) -> None:
    async with server.connected() as admin:
        await admin.execute(f"ALTER ROLE {role} PASSWORD '{password}'")


async def test_a_new_connection_to_postgresql_has_the_password_that_the_file_has_now(
    postgres_server: Server, project: TestDatabase, role: str, file: Path
) -> None:
    database = Database(url_of(project, role), password=lambda: read_password(file))
    try:
        await one(database)
        await set_password(postgres_server, role, "second-secret")
        await one(database)  # the open connection stays
        file.write_text("second-secret")
        database._pool.drop_idle()
        await one(database)
    finally:
        await database.close()


async def test_a_login_between_the_change_at_the_server_and_the_change_of_the_file_succeeds(
    postgres_server: Server, project: TestDatabase, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CHANGED_SECONDS", 0.01)
    await set_password(postgres_server, role, "second-secret")
    passwords = iter(["first-secret", "second-secret"])
    database = Database(url_of(project, role), password=lambda: next(passwords))
    await one(database)
    await database.close()


async def test_a_password_that_stays_refused_is_a_refusal_and_a_missing_file_is_an_outage(
    project: TestDatabase, role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CHANGED_SECONDS", 0.01)
    url = url_of(project, role)
    with pytest.raises(asyncpg.InvalidPasswordError) as refused:
        await one(Database(url, password=lambda: "wrong"))
    assert is_refusal(refused.value)
    with pytest.raises(DatabaseUnavailable) as missing:
        await one(Database(url, password=lambda: read_password(tmp_path / "nothing")))
    assert not is_refusal(missing.value)


async def test_a_client_of_kafka_logs_in_again_with_the_password_that_the_file_has_now(
    logins: KafkaLogins, file: Path
) -> None:
    admin, first = logins.of(STACK), KafkaAccess(logins.bootstrap, f"u-{uuid4().hex[:8]}", "first-secret")
    await kafka_users.set_passwords(admin, [first])
    given = settings(
        kafka_bootstrap_servers=logins.bootstrap,
        kafka_security_protocol=first.security_protocol,
        kafka_sasl_username=first.username,
        kafka_sasl_password_file=file,
    )
    client = AIOKafkaClient(**given.kafka)
    try:
        await client.bootstrap()  # it opens a connection, and logs in
        second = KafkaAccess(logins.bootstrap, first.username, "second-secret")
        await kafka_users.set_passwords(admin, [second])
        with pytest.raises(KafkaConnectionError):
            await client.bootstrap()
        file.write_text("second-secret")
        await client.bootstrap()
    finally:
        await client.close()
