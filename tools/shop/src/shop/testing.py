"""A pytest plugin: real PostgreSQL and real Kafka for tests.

Three fixtures:

- `database`: `await database("orders")` gives a fresh, migrated database of that
  service with its two roles, dropped when the test ends.
- `kafka`: the bootstrap servers of a broker that has every topic of
  contracts/topics.yaml. It is shared, so tests use keys and groups of their own.
- `test_stack`: what the other two stand on.

Where the two servers come from:

- SHOP_TEST_STACK names the state file of a stack that runs (`shop test-stack up`): that one.
- SHOP_STACK=containers: containers, through testcontainers.
- otherwise the embedded stack, started when a test first asks and stopped after the last.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest
import pytest_asyncio

from shop_stack import paths, postgres, topics
from shop_stack.errors import UserError
from shop_stack.loops import in_own_loop
from shop_stack.postgres import Roles, Server
from shop_stack.process import run
from shop_stack.servers import ServersOnly, read_state


@dataclass(frozen=True)
class TestDatabase:
    """A database of one test."""

    __test__: ClassVar[bool] = False

    name: str
    url: str
    """As the service connects: rows only."""
    owner_url: str
    """As migrations connect: tables too."""


class MakeDatabase(Protocol):
    """What the fixture `database` is."""

    async def __call__(self, service: str, project: Path | None = None) -> TestDatabase:
        """A fresh database of `service`.

        `project` is the folder with its alembic.ini, services/<service> if not
        given; a folder without one gives a database without tables.
        """


class Servers(Protocol):
    """A PostgreSQL server and a Kafka broker, each started when it is first asked for."""

    @property
    def server(self) -> Server:
        """The PostgreSQL server, with a superuser."""

    @property
    def kafka(self) -> str:
        """Bootstrap servers; topics are declared."""

    def close(self) -> None:
        """Stop what was started for these tests."""


class SharedStack:
    """A stack that somebody else started and will stop."""

    def __init__(self, file: Path) -> None:
        _, self._server, self._bootstrap = read_state(file)

    @property
    def server(self) -> Server:
        return self._server

    @cached_property
    def kafka(self) -> str:
        in_own_loop(topics.declare(self._bootstrap, topics.declared(paths.contracts())))
        return self._bootstrap

    def close(self) -> None:
        """Nothing was started."""


class EmbeddedStack:
    """A stack of this test run alone."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="shop-test-"))
        folder.chmod(0o711)  # PostgreSQL passes through as another user when root runs the tests.
        self._servers = ServersOnly(folder)

    @cached_property
    def server(self) -> Server:
        return in_own_loop(self._servers.start_postgres())

    @cached_property
    def kafka(self) -> str:
        bootstrap = in_own_loop(self._servers.start_kafka())
        in_own_loop(topics.declare(bootstrap, topics.declared(paths.contracts())))
        return bootstrap

    def close(self) -> None:
        in_own_loop(self._servers.stop())


@pytest.fixture(scope="session")
def test_stack() -> Iterator[Servers]:
    """The servers that this test run uses."""
    stack = _chosen_stack()
    yield stack
    stack.close()


@pytest.fixture(scope="session")
def kafka(test_stack: Servers) -> str:
    """Bootstrap servers of a broker with every declared topic."""
    return test_stack.kafka


@pytest.fixture(scope="session")
def postgres_server(test_stack: Servers) -> Server:
    """The PostgreSQL server of this test run."""
    return test_stack.server


@pytest_asyncio.fixture
async def database(postgres_server: Server) -> AsyncIterator[MakeDatabase]:
    """Makes fresh, migrated databases; see MakeDatabase."""
    made: list[str] = []

    async def make(service: str, project: Path | None = None) -> TestDatabase:
        fresh = await _clone(postgres_server, service, project or paths.project(service))
        made.append(fresh.name)
        return fresh

    yield make
    async with postgres_server.connected() as connection:
        for name in made:
            await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _chosen_stack() -> Servers:
    if file := os.environ.get("SHOP_TEST_STACK"):
        return SharedStack(Path(file))
    match os.environ.get("SHOP_STACK", "embedded"):
        case "embedded":
            return EmbeddedStack()
        case "containers":
            from shop_stack.containers import ContainerStack

            return ContainerStack()
        case other:
            raise UserError(f"SHOP_STACK is {other!r}: set it to embedded or containers.")


def _test_roles(service: str) -> Roles:
    # Known passwords, so that test runs that share a server agree on them without a word.
    return Roles(service, password=f"{service}-test", owner_password=f"{service}-owner-test")


async def _clone(server: Server, service: str, project: Path) -> TestDatabase:
    roles = _test_roles(service)
    template = await _template(server, roles, project)
    name = f"test_{service}_{uuid.uuid4().hex[:12]}"
    async with server.connected() as connection:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER "{roles.owner}"')
        await postgres.wall_off(connection, name, roles)
    return TestDatabase(
        name=name,
        url=server.url(name, roles.name, roles.password),
        owner_url=server.url(name, roles.owner, roles.owner_password),
    )


async def _template(server: Server, roles: Roles, project: Path) -> str:
    """The name of a migrated database to copy from, made once per state of the migrations."""
    name = f"template_{roles.service}_{_digest(project)}"
    async with server.connected() as connection:
        finished = "SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate"
        if await connection.fetchval(finished, name):
            return name
        # Test runs may share the server: one makes the template, the others wait for it.
        async with _alone(connection, name):
            if not await connection.fetchval(finished, name):
                await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
                await postgres.ensure_roles(server, roles)
                await postgres.ensure_database(server, name, roles)
                await _migrate(server.url(name, roles.owner, roles.owner_password), project)
                await connection.execute(f'ALTER DATABASE "{name}" IS_TEMPLATE true ALLOW_CONNECTIONS false')
    return name


@asynccontextmanager
async def _alone(connection: Any, name: str) -> AsyncIterator[None]:
    await connection.execute("SELECT pg_advisory_lock(hashtext($1))", name)
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock(hashtext($1))", name)


def _digest(project: Path) -> str:
    """Changes whenever a migration does, the chassis' own included."""
    files = sorted((project / "migrations").rglob("*.py"))
    chassis = importlib.util.find_spec("chassis")
    if chassis is not None and chassis.origin is not None:
        files += sorted(Path(chassis.origin).parent.rglob("migrations*.*"))
    digest = hashlib.sha256(str(project).encode())
    for file in files:
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:10]


async def _migrate(owner_url: str, project: Path) -> None:
    if not (project / "alembic.ini").exists():
        return
    path = os.pathsep.join(filter(None, [str(project / "src"), os.environ.get("PYTHONPATH")]))
    code, output = await run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=project,
        env={**os.environ, "MIGRATION_DATABASE_URL": owner_url, "PYTHONPATH": path},
    )
    if code != 0:
        raise RuntimeError(f"The migrations of {project} fail:\n{output}")
