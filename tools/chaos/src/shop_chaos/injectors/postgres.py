"""Faults of PostgreSQL: connections, rights, slow statements, a long transaction, peers that fall silent."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import psutil

from shop_chaos import holding
from shop_chaos.injectors import logs
from shop_chaos.injectors.injector import Injector
from shop_chaos.system import System
from shop_stack import role_limits
from shop_stack.stack import POSTGRES


@dataclass
class ConnectionLimit(Injector):
    """Let a service's role have no connection, and end those that it has: SQLSTATE 53300."""

    service: str

    async def before(self, on: System) -> dict[str, Any]:
        return {"log": logs.size(on.stack.daemon(POSTGRES))}

    async def inject(self, on: System) -> None:
        async with on.stack.server.connected() as database:
            await role_limits.cut_off(database, self.service)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        words = f'too many connections for role "{self.service}"'
        return {"connections refused": logs.count(on.stack.daemon(POSTGRES), before["log"], words)}

    async def heal(self, on: System) -> None:
        async with on.stack.server.connected() as database:
            await role_limits.admit(database, self.service)


@dataclass
class RightRevoked(Injector):
    """Revoke a privilege on a table from a service's role."""

    service: str
    table: str
    privilege: str = "INSERT"

    async def before(self, on: System) -> dict[str, Any]:
        return {"log": logs.size(on.stack.daemon(POSTGRES))}

    async def inject(self, on: System) -> None:
        async with on.stack.server.connected(self.service) as database:
            await database.execute(f"REVOKE {self.privilege} ON {self.table} FROM {self.service}")

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        words = f"permission denied for table {self.table}"
        return {"statements refused": logs.count(on.stack.daemon(POSTGRES), before["log"], words)}

    async def heal(self, on: System) -> None:
        async with on.stack.server.connected(self.service) as database:
            await database.execute(f"GRANT {self.privilege} ON {self.table} TO {self.service}")


@dataclass
class SlowStatements(Injector):
    """Let each INSERT into a table of a service wait for `seconds`. A sequence counts these statements."""

    service: str
    table: str = "outbox"
    seconds: float = 0.2

    async def inject(self, on: System) -> None:
        async with on.stack.server.connected(self.service) as database:
            await database.execute(
                f"""
                CREATE SCHEMA IF NOT EXISTS chaos;
                GRANT USAGE ON SCHEMA chaos TO {self.service};
                CREATE SEQUENCE IF NOT EXISTS chaos.slowed;
                GRANT USAGE ON SEQUENCE chaos.slowed TO {self.service};
                CREATE OR REPLACE FUNCTION chaos.wait() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    PERFORM nextval('chaos.slowed');
                    PERFORM pg_sleep({float(self.seconds)});
                    RETURN NULL;
                END $$;
                CREATE OR REPLACE TRIGGER chaos BEFORE INSERT ON {self.table}
                    FOR EACH STATEMENT EXECUTE FUNCTION chaos.wait();
                """
            )

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        async with on.stack.server.connected(self.service) as database:
            if await database.fetchval("SELECT to_regclass('chaos.slowed')") is None:
                return {}
            count = await database.fetchval(
                "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM chaos.slowed"
            )
        return {"statements slowed down": int(count)}

    async def heal(self, on: System) -> None:
        async with on.stack.server.connected(self.service) as database:
            await database.execute(f"DROP TRIGGER IF EXISTS chaos ON {self.table}")
            await database.execute("DROP SCHEMA IF EXISTS chaos CASCADE")


@dataclass
class LongTransaction(Injector):
    """Hold a transaction with an id and a snapshot open in a service's database."""

    service: str

    async def inject(self, on: System) -> None:
        server = on.stack.server
        url = server.url(self.service, server.superuser, server.password)
        await holding.begin(on.stack.state, "transaction", **{holding.URL: url})

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        async with on.stack.server.connected(self.service) as database:
            age = await database.fetchval(
                "SELECT extract(epoch FROM max(now() - xact_start)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND state = 'idle in transaction'"
            )
        return {"seconds open": int(age or 0)}

    async def heal(self, on: System) -> None:
        await holding.end(on.stack.state, "transaction")


@dataclass
class SilentPeer(Injector):
    """Suspend the backends of a service's idle connections: each peer is there, and says nothing more."""

    late_seconds: ClassVar[float] = 20.0
    service: str

    async def before(self, on: System) -> dict[str, Any]:
        return {"pids": await self._backends(on)}

    async def inject(self, on: System) -> None:
        for pid in await self._backends(on):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        now = await self._backends(on)
        return {
            "backends frozen": sum(_is_stopped(pid) for pid in before["pids"]),
            "new connections": len(set(now) - set(before["pids"])),
        }

    async def heal(self, on: System) -> None:
        for pid in await self._backends(on):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def _backends(self, on: System) -> list[int]:
        """The process ids of the service's connections. Only children of this stack's server count."""
        server = on.stack.daemon(POSTGRES).pid
        async with on.stack.server.connected() as database:
            rows = await database.fetch(
                "SELECT pid FROM pg_stat_activity WHERE usename = $1 AND backend_type = 'client backend'",
                self.service,
            )
        return [row["pid"] for row in rows if _parent(row["pid"]) == server]


def _parent(pid: int) -> int | None:
    try:
        return psutil.Process(pid).ppid()
    except psutil.Error:
        return None


def _is_stopped(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False
