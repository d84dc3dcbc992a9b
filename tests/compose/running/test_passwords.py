"""A new password of a service reaches its running container, which needs no restart."""

from collections.abc import Iterator

import asyncpg
import pytest

from shop_load.plans import Scenario
from shop_stack import compose
from shop_stack.errors import UserError
from testkit import eventually

from .conftest import Containers, place

NEW = {"ORDERS_PASSWORD": "another-of-orders", "ORDERS_KAFKA_PASSWORD": "another-of-orders-kafka"}
SET_ROLES = ("exec", "--no-TTY", "postgres", "bash", "/docker-entrypoint-initdb.d/20-passwords.sh")


ASK_READINESS = (
    "import urllib.request as r; r.urlopen('http://127.0.0.1:9000/readyz?require=all', timeout=10)"
)
SECONDS_TO_LOG_IN = 120.0


def apply_passwords() -> None:
    """What docs/how-to/rotate-passwords-in-containers.md says, after the settings have changed."""
    compose.docker("compose", "up", "--no-deps", "passwords", "topics")
    compose.docker("compose", *SET_ROLES)


@pytest.fixture
def rotated(containers: Containers) -> Iterator[None]:
    """Other passwords of orders, for the length of a test."""
    try:
        with pytest.MonkeyPatch.context() as environment:
            for name, password in NEW.items():
                environment.setenv(name, password)
            apply_passwords()
            yield
    finally:
        apply_passwords()


async def end_connections(containers: Containers) -> None:
    """End all connections of orders to its database, so that the next ones must log in."""
    connection = await asyncpg.connect(containers.superuser_url("orders"))
    try:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'orders'"
        )
    finally:
        await connection.close()


async def is_ready() -> None:
    """Orders is connected to its database and to Kafka, after all connections were ended."""
    try:
        compose.docker("compose", "exec", "--no-TTY", "orders", "python", "-c", ASK_READINESS)
    except UserError as error:
        raise AssertionError(str(error)) from error


async def test_a_service_logs_in_with_a_new_password_and_was_not_restarted(
    containers: Containers, rotated: None
) -> None:
    started = containers.container("orders")["State"]["StartedAt"]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(containers.runtime_url("orders", "orders"))
    await end_connections(containers)
    compose.docker("compose", "restart", "kafka")

    placed = await place(containers, 3, Scenario.CONFIRMED)

    assert len(placed) == 3
    await eventually(is_ready, SECONDS_TO_LOG_IN)
    assert containers.container("orders")["State"]["StartedAt"] == started
