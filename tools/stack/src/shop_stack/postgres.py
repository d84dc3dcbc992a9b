"""PostgreSQL 18 from a wheel: its start, and one database per service that only this service can connect to."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from shop_stack import postgres_programs, unprivileged
from shop_stack.command_output import last_line
from shop_stack.errors import UserError
from shop_stack.ports import HOST, require_free
from shop_stack.postgres_release import released
from shop_stack.process import Daemon, run

SUPERUSER = "postgres"

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "autovacuum_max_workers": "2",
    "autovacuum_worker_slots": "2",
    # There is no standby server.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    # `sync` saves three I/O worker processes. Most reads are served from the page cache.
    "io_method": "sync",
    # Every statement is short: its JIT compilation would take longer than its execution.
    "jit": "off",
    "cluster_name": "shopfloor",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %d ",
    "timezone": "UTC",
}

UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For tests only: their data need not survive a power failure."""


@dataclass(frozen=True)
class Roles:
    """The two roles of one service. The owner changes tables, the other role only changes rows."""

    service: str
    password: str
    owner_password: str

    @property
    def name(self) -> str:
        return self.service

    @property
    def owner(self) -> str:
        return f"{self.service}_owner"


@dataclass(frozen=True)
class WalFolder:
    """A folder of WAL segments, and the settings of a server that uses it, by the path that the server has for it."""

    folder: Path
    settings: Callable[[str], Mapping[str, str]]


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server and its superuser."""

    host: str
    port: int
    password: str
    superuser: str = SUPERUSER

    def url(self, database: str, role: str, password: str = "") -> str:
        """The address of a database for one role. Without a password, its client has it from elsewhere."""
        login = f"{quote(role)}:{quote(password, safe='')}" if password else quote(role)
        return f"postgresql://{login}@{self.host}:{self.port}/{quote(database)}"

    @asynccontextmanager
    async def connected(
        self, database: str = "postgres"
    ) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A connection as the superuser."""
        connection = await asyncpg.connect(self.url(database, self.superuser, self.password), timeout=10)
        try:
            yield connection
        finally:
            await connection.close()


async def start(
    daemon: Daemon,
    data: Path,
    server: Server,
    *,
    settings: dict[str, str] | None = None,
    patience: float = 60.0,
    wal: WalFolder | None = None,
) -> None:
    """Start the server on `data` (created if it is new), and return when it accepts connections.

    PostgreSQL refuses to run as root, so root starts it as the user `nobody`. Raises UserError if the port is in use,
    or if the server ends or is not ready after `patience` seconds.
    """
    require_free("PostgreSQL", server.port)
    programs = await postgres_programs.reachable(daemon.state)
    if not (data / "PG_VERSION").exists():
        await _make_cluster(programs, data, server.password)
    await released(data)
    options = {**SETTINGS, **(settings or {}), "port": str(server.port)}
    with ExitStack() as opened:
        folders = [opened.enter_context(unprivileged.opened(data))]
        if wal is not None:
            folders.append(opened.enter_context(unprivileged.opened(wal.folder)))
            options |= wal.settings(folders[-1].path)
        argv = [str(programs / "postgres"), "-D", folders[0].path]
        argv += [f"--{name}={value}" for name, value in options.items()]
        descriptors = [each for folder in folders for each in folder.descriptors]
        daemon.start(argv, env=environment(), cwd=data, pass_fds=descriptors, user=unprivileged.account())
    await _ready(daemon, server, patience)


async def stop(daemon: Daemon) -> None:
    """Fast shutdown: open transactions are rolled back, and the data stays consistent."""
    await daemon.stop(signal.SIGINT, patience=20)


async def _make_cluster(programs: Path, data: Path, password: str) -> None:
    """Create the data folder under another name, then rename it: an interrupted start leaves no incomplete one."""
    draft = data.with_name(f"{data.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    secret = draft / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    unprivileged.give(draft, secret)
    with unprivileged.opened(draft) as folder:
        argv = [str(programs / "initdb"), "-D", f"{folder.path}/data", "-U", SUPERUSER]
        argv += ["--auth=scram-sha-256", f"--pwfile={folder.path}/password", "--encoding=UTF8"]
        argv += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        argv += ["--no-sync", "--no-instructions"]
        code, output = await run(
            argv, env=environment(), cwd=draft, pass_fds=folder.descriptors, user=unprivileged.account()
        )
    if code == 0:
        (draft / "data").rename(data)
    shutil.rmtree(draft)
    if code != 0:
        reason = last_line(output, f"exit code {code}")
        raise UserError(
            f"PostgreSQL could not make its data folder {data}: {reason}. "
            "Choose another folder with SHOP_STATE."
        )


def environment() -> dict[str, str]:
    """The environment of a program of PostgreSQL."""
    # PG* variables of the user's own databases must not apply. Messages are parsed, so they must be in English.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}


async def _ready(daemon: Daemon, server: Server, patience: float) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            async with server.connected():
                return
        except (
            OSError,
            asyncpg.PostgresConnectionError,
            asyncpg.CannotConnectNowError,
            TimeoutError,
        ) as error:
            if daemon.process() is None:
                raise UserError(
                    f"PostgreSQL ended right after its start ({_reason(daemon)}): try again; "
                    f"if it ends again, the reason is in {daemon.log}."
                ) from error
            if time.monotonic() > deadline:
                raise UserError(
                    f"PostgreSQL was not ready after {patience:.0f} s: see {daemon.log}."
                ) from error
        except asyncpg.InvalidPasswordError:
            raise UserError(
                "PostgreSQL's data folder was made with another password than the one in "
                f"{daemon.state / 'passwords.json'}: put that file back as it was. "
                "(`shop down --wipe` begins anew and deletes all orders.)"
            ) from None
        except asyncpg.PostgresError as error:
            raise unusable(error) from error
        await asyncio.sleep(0.05)


def _reason(daemon: Daemon) -> str:
    lines = [
        line
        for line in daemon.tail().splitlines()
        if "FATAL" in line or "root" in line or "error" in line.lower()
    ]
    return lines[-1].strip() if lines else "its log is empty"


def unusable(error: Exception) -> UserError:
    """The error for a server that accepts connections, but does not work."""
    return UserError(
        f"PostgreSQL accepts connections, but its data cannot be used ({error}): `shop restart postgres` tries again, "
        "and `shop logs postgres` shows the reason."
    )


async def ensure_roles(server: Server, roles: Roles) -> None:
    """Create the two roles if they are missing, set their passwords, and take limits of connections away."""
    await create_missing_roles(server, roles)
    async with server.connected() as connection:
        for role, password in ((roles.owner, roles.owner_password), (roles.name, roles.password)):
            await connection.execute(
                f"ALTER ROLE {_quoted(role)} CONNECTION LIMIT -1 PASSWORD {_literal(password)}"
            )


async def create_missing_roles(server: Server, roles: Roles) -> None:
    """Create the two roles if they are missing. A role that exists keeps its password."""
    async with server.connected() as connection:
        for role in (roles.owner, roles.name):
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                try:
                    await connection.execute(f"CREATE ROLE {_quoted(role)} LOGIN NOCREATEDB NOCREATEROLE")
                except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
                    pass  # Another process has created the role at the same time.


async def ensure_database(server: Server, database: str, roles: Roles) -> None:
    """Create the database if it is missing. It belongs to the owner; only the service's roles can connect to it."""
    async with server.connected() as connection:
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await connection.execute(f"CREATE DATABASE {_quoted(database)} OWNER {_quoted(roles.owner)}")
        await wall_off(connection, database, roles)
    async with server.connected(database) as connection:
        await _grant(connection, roles)


async def wall_off(connection: asyncpg.Connection[Any], database: str, roles: Roles) -> None:
    """Let only the two roles connect to the database. A copy from a template database does not inherit this right."""
    await connection.execute(
        f"""
        REVOKE ALL ON DATABASE {_quoted(database)} FROM PUBLIC;
        GRANT CONNECT ON DATABASE {_quoted(database)} TO {_quoted(roles.name)};
        """
    )


async def close_shared_databases(server: Server) -> None:
    """Revoke the right of services' roles to connect to the databases that every cluster has."""
    async with server.connected() as connection:
        await connection.execute(
            """
            REVOKE CONNECT, TEMPORARY ON DATABASE postgres FROM PUBLIC;
            REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
            """
        )


async def _grant(connection: asyncpg.Connection[Any], roles: Roles) -> None:
    """Tables belong to the owner. In tables that the owner creates, the other role may read and change rows."""
    owner, name = _quoted(roles.owner), _quoted(roles.name)
    await connection.execute(
        f"""
        ALTER SCHEMA public OWNER TO {owner};
        REVOKE ALL ON SCHEMA public FROM PUBLIC;
        GRANT USAGE ON SCHEMA public TO {name};
        ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public
            GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {name};
        ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public
            GRANT USAGE, SELECT ON SEQUENCES TO {name};
        """
    )


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
