"""Databases for tests: each is copied from a template that was migrated once."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from shop_stack import postgres
from shop_stack.postgres import Roles, Server
from shop_stack.process import run


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
    """The type of the fixture `database`."""

    async def __call__(self, service: str, project: Path | None = None) -> TestDatabase:
        """A fresh database of `service`.

        `project` is the folder with its alembic.ini, services/<service> if not
        given; a folder without one gives a database without tables.
        """


def _test_roles(service: str) -> Roles:
    # Known passwords, so that test runs that share a server agree on them without a word.
    return Roles(service, password=f"{service}-test", owner_password=f"{service}-owner-test")


async def clone(server: Server, connection: Any, service: str, project: Path) -> TestDatabase:
    """A fresh database of `service`, migrated by the project in that folder. The caller drops it.

    `connection` is one of the superuser.
    """
    roles = _test_roles(service)
    template = await _template(server, connection, roles, project)
    name = f"test_{service}_{uuid.uuid4().hex[:12]}"
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER "{roles.owner}"')
    await postgres.wall_off(connection, name, roles)
    return TestDatabase(
        name=name,
        url=server.url(name, roles.name, roles.password),
        owner_url=server.url(name, roles.owner, roles.owner_password),
    )


async def _template(server: Server, connection: Any, roles: Roles, project: Path) -> str:
    """The name of a migrated database to copy from, made once per state of the migrations."""
    name = f"template_{roles.service}_{_digest(project)}"
    finished = "SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate"
    if await connection.fetchval(finished, name):
        return name
    # Processes may share the server: one makes the template, the others wait for it. The lock is the service's,
    # because two templates of a service set the passwords of the same roles.
    async with _alone(connection, roles.service):
        if not await connection.fetchval(finished, name):
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            await postgres.ensure_roles(server, roles)
            await postgres.ensure_database(server, name, roles)
            await _migrate(server.url(name, roles.owner, roles.owner_password), project)
            await connection.execute(f'ALTER DATABASE "{name}" IS_TEMPLATE true ALLOW_CONNECTIONS false')
    return name


@asynccontextmanager
async def _alone(connection: Any, service: str) -> AsyncIterator[None]:
    await connection.execute("SELECT pg_advisory_lock(hashtext($1))", service)
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock(hashtext($1))", service)


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
