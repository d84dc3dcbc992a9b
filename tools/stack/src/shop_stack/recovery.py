"""One database as it was at an earlier time, beside the databases of today.

PostgreSQL can bring only a whole server to an earlier time, and all services share one. So a second server is made from
a base backup and the archive, the one database is copied from it into a new database of the running server, and the
second server is deleted. `swap` then gives the new database the name of the old one.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from shop_stack import archive, postgres, postgres_programs, unprivileged
from shop_stack.archive import Backup
from shop_stack.command_output import last_line
from shop_stack.errors import UserError
from shop_stack.ports import HOST, free_port
from shop_stack.postgres import Server
from shop_stack.process import Daemon, run
from shop_stack.stack import Stack

FOLDER = "restore"
"""The folder of the second server, in the folder of the stack."""
DAEMON = "restore-postgres"
RECOVERY_SECONDS = 900.0
ARCHIVE_SECONDS = 60.0
OnStep = Callable[[str], None]
"""Called with the name of each step."""


async def copy_of_database(
    stack: Stack, service: str, database: str, backup: Backup, to: datetime, on_step: OnStep
) -> None:
    """Make `database` in the running server: the database of a service as it was at a time. Replaces one of this name.

    Raises UserError if a step fails, or an error of asyncpg. The service's own database is unchanged in any case.
    """
    on_step("archiving the newest WAL")
    await _archive_all(stack)
    on_step(f"bringing a second server to {to.isoformat()}")
    async with _server_at(stack, backup, to) as earlier:
        on_step(f"copying the database of {service}")
        await _copy(stack, earlier, service, database)


async def swap(server: Server, service: str, restored: str, former: str) -> None:
    """Give the restored database the name of the service's own one, which becomes `former`. Deletes an older `former`.

    Sessions in both databases are ended.
    """
    async with server.connected() as connection:
        exists = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", service)
        if exists:
            await connection.execute(f'DROP DATABASE IF EXISTS "{former}" WITH (FORCE)')
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ($1, $2)",
            service,
            restored,
        )
        async with connection.transaction():
            if exists:
                await connection.execute(f'ALTER DATABASE "{service}" RENAME TO "{former}"')
            await connection.execute(f'ALTER DATABASE "{restored}" RENAME TO "{service}"')


async def _archive_all(stack: Stack) -> None:
    """Have everything that is committed by now archived. Raises UserError if it does not arrive."""
    async with stack.server.connected() as connection:
        # Recovery to a time ends at the first commit after it. Without a later commit it would fail.
        await connection.execute("SELECT pg_logical_emit_message(true, 'shop restore', '')")
        segment = await connection.fetchval("SELECT pg_walfile_name(pg_switch_wal())")
    deadline = time.monotonic() + ARCHIVE_SECONDS
    while not (archive.wal_folder(stack) / segment).exists():
        if time.monotonic() > deadline:
            raise UserError(
                f"PostgreSQL does not archive its WAL (segment {segment}): see `shop logs postgres`, then try again."
            )
        await asyncio.sleep(0.1)


@asynccontextmanager
async def _server_at(stack: Stack, backup: Backup, to: datetime) -> AsyncIterator[Server]:
    """A server with all databases as they were at a time. It is deleted at the end."""
    folder = stack.state / FOLDER
    daemon = Daemon(DAEMON, stack.state)
    await daemon.kill()  # an interrupted restore has left it
    shutil.rmtree(folder, ignore_errors=True)
    try:
        await asyncio.to_thread(_make_data, backup, folder / "postgres")
        server = Server(HOST, free_port(), stack.passwords.superuser)
        settings = {
            **postgres.UNSAFE_BUT_FAST,
            "recovery_target_time": to.astimezone(UTC).isoformat(),
            "recovery_target_action": "promote",
            # Connections are refused until the time is reached, so a server that accepts one is ready.
            "hot_standby": "off",
        }
        await postgres.start(
            daemon,
            folder / "postgres",
            server,
            settings=settings,
            patience=RECOVERY_SECONDS,
            wal=archive.to_read(stack),
        )
        yield server
    finally:
        await daemon.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _make_data(backup: Backup, data: Path) -> None:
    shutil.copytree(backup.folder, data)
    data.chmod(0o700)
    (data / "recovery.signal").touch()
    unprivileged.give(data, *data.rglob("*"))


async def _copy(stack: Stack, earlier: Server, service: str, database: str) -> None:
    roles = stack.passwords.roles(service)
    async with stack.server.connected() as connection:
        await connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
    await postgres.create_missing_roles(stack.server, roles)
    await postgres.ensure_database(stack.server, database, roles)
    dump = stack.state / FOLDER / f"{service}.dump"
    await _program("pg_dump", earlier, service, "--format=custom", f"--file={dump}")
    await _program("pg_restore", stack.server, database, "--exit-on-error", str(dump))


async def _program(name: str, server: Server, database: str, *arguments: str) -> None:
    """Run a program of PostgreSQL on a database. Raises UserError if it fails."""
    argv = [str(postgres_programs.binaries() / name), *arguments, "--no-password"]
    argv += [f"--dbname={server.url(database, server.superuser)}"]
    code, output = await run(argv, env={**postgres.environment(), "PGPASSWORD": server.password})
    if code != 0:
        reason = last_line(output, f"exit code {code}")
        raise UserError(f"{name} failed ({reason}): see `shop logs postgres`.")
