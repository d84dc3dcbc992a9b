"""A pytest plugin: real PostgreSQL and real Kafka for tests.

Four fixtures:

- `database`: `await database("orders")` gives a fresh, migrated database of that
  service with its two roles, dropped when the test ends.
- `kafka`: the login of the tests themselves at a broker that has every topic of
  contracts/topics.yaml. It may write to every topic and create topics. The broker
  is shared, so tests use keys and groups of their own.
- `logins`: the logins of the services at the same broker, with the rights that the
  contract gives them: `logins.of("orders")`.
- `test_stack`: what the others stand on.

The two servers are one of these:

- SHOP_TEST_STACK names the state file of a stack that runs (`shop test-stack up`): that one.
- SHOP_STACK=containers: containers, through testcontainers.
- with the processes of pytest-xdist: one embedded stack for all, which the run starts and stops.
- otherwise the embedded stack, started when a test first asks and stopped after the last.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka.consumer import fetcher

from shop_stack import paths
from shop_stack.kafka_access import KafkaAccess, KafkaLogins
from shop_stack.postgres import Server
from shop_stack.rights import LAB
from testkit.databases import MakeDatabase, TestDatabase, clone
from testkit.servers import Servers, TestRun, chosen_servers, starts_embedded_stack
from testkit.tokens import ISSUER

RUN = pytest.StashKey[TestRun]()


def pytest_configure(config: pytest.Config) -> None:
    """Name the issuer of the tests' tokens to every service that a test builds. Switch Pact's usage reports off.

    Kafka is started with the JVM's quick compiler alone. The process that starts those of pytest-xdist starts a stack
    for them first.
    """
    os.environ.setdefault("OIDC_ISSUER", ISSUER)
    os.environ["PACT_DO_NOT_TRACK"] = "true"
    # A broker of tests runs for minutes: the JVM's optimizing compiler would cost more CPU time than it saves.
    os.environ.setdefault("SHOP_KAFKA_OPTIONS", "-XX:TieredStopAtLevel=1")
    if config.getoption("numprocesses", None) and starts_embedded_stack():
        config.stash[RUN] = TestRun()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers of the run, after its processes have ended."""
    if run := config.stash.get(RUN, None):
        run.close()


@pytest.fixture(autouse=True)
def own_kafka_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give aiokafka its own parser back after a test that put a service together: the next test may need it."""
    for name in ("MemoryRecords", "PartitionRecords"):
        monkeypatch.setattr(fetcher, name, getattr(fetcher, name))


@pytest.fixture(scope="session")
def test_stack() -> Iterator[Servers]:
    """The servers that this test run uses."""
    stack = chosen_servers()
    yield stack
    stack.close()


@pytest.fixture(scope="session")
def logins(test_stack: Servers) -> KafkaLogins:
    """The logins of all principals at a broker with every declared topic."""
    return test_stack.logins


@pytest.fixture(scope="session")
def kafka(logins: KafkaLogins) -> KafkaAccess:
    """The login of the tests themselves, which may write to every topic and create topics."""
    return logins.of(LAB)


@pytest.fixture(scope="session")
def postgres_server(test_stack: Servers) -> Server:
    """The PostgreSQL server of this test run."""
    return test_stack.server


@pytest_asyncio.fixture
async def database(postgres_server: Server) -> AsyncIterator[MakeDatabase]:
    """Makes fresh, migrated databases; see MakeDatabase."""
    made: list[str] = []
    # One connection for all: to connect costs as much CPU time as the statements.
    async with postgres_server.connected() as connection:

        async def make(service: str, project: Path | None = None) -> TestDatabase:
            fresh = await clone(postgres_server, connection, service, project or paths.project(service))
            made.append(fresh.name)
            return fresh

        yield make
        for name in made:
            await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
