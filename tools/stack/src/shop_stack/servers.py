"""PostgreSQL and Kafka without services, for component tests.

Their data is not kept: each start has a new data folder, and PostgreSQL does not wait for the disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_stack import kafka, kafka_users, paths, postgres, postgres_programs, topics
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaLogins
from shop_stack.passwords import KAFKA_PRINCIPALS, new_password, write_private
from shop_stack.paths import cache_folder
from shop_stack.ports import HOST, free_port
from shop_stack.process import Daemon
from shop_stack.rights import LAB, ORACLE, STACK

FOLDER_PREFIX = "shop-test-stack-"
"""How the name of the folder of a test stack begins."""


@dataclass(frozen=True)
class ServersOnly:
    """The two servers of a stack without services. Their files are in `state`."""

    state: Path

    @property
    def _postgres(self) -> Daemon:
        return Daemon("postgres", self.state)

    @property
    def _kafka(self) -> Daemon:
        return Daemon("kafka", self.state)

    def runs(self) -> bool:
        """Whether both servers run."""
        return self._postgres.process() is not None and self._kafka.process() is not None

    async def start_postgres(self) -> postgres.Server:
        """Start a new server on a free port."""
        server = postgres.Server(HOST, free_port(), secrets.token_urlsafe(18))
        settings = {**postgres.UNSAFE_BUT_FAST, "max_connections": "300", "max_wal_size": "1GB"}
        await postgres.start(self._postgres, self.state / "postgres", server, settings=settings)
        await postgres.close_shared_databases(server)
        return server

    async def start_kafka(self) -> KafkaLogins:
        """Start a new broker without topics on a free port. It knows no user but the stack. Returns all logins."""
        passwords = {principal: new_password() for principal in KAFKA_PRINCIPALS}
        broker = kafka.Broker(free_port(), free_port(), self.state / "kafka", passwords[STACK])
        await kafka.start(self._kafka, broker, cache_folder())
        return KafkaLogins(broker.bootstrap, passwords)

    async def stop(self) -> None:
        """Stop the servers and delete all their files."""
        await asyncio.gather(
            kafka.stop(self._kafka, cache_folder()),
            # Its data is deleted, so an orderly shutdown would be a waste of time.
            self._postgres.kill(),
        )
        postgres_programs.forget(self.state)
        shutil.rmtree(self.state, ignore_errors=True)


async def provision_kafka(logins: KafkaLogins, patience: float = 30.0) -> None:
    """Create what the contract declares on a broker of tests: topics, users and rights. Idempotent.

    The tests themselves log in as LAB, which may write to any topic. Raises UserError if the broker refuses.
    """
    contracts = paths.contracts()
    principals = (*topics.services(contracts), ORACLE, LAB)
    stack = logins.of(STACK)
    await topics.declare(stack, topics.declared(contracts), patience)
    users = [logins.of(principal) for principal in principals]
    await kafka_users.ensure(stack, users, topics.rights_of(contracts, principals), patience)


async def start_both(file: Path) -> KafkaLogins:
    """Start both servers in a new folder, and write their addresses to `file`. Returns the logins of the broker."""
    servers = ServersOnly(Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX)))
    try:
        server, logins = await asyncio.gather(servers.start_postgres(), servers.start_kafka())
        write_state(file, servers, server, logins)
    except BaseException:
        await servers.stop()
        raise
    return logins


def write_state(file: Path, servers: ServersOnly, server: postgres.Server, logins: KafkaLogins) -> None:
    """Write the addresses of the running servers for processes that want to use them (see SHOP_TEST_STACK)."""
    facts = {
        "state": str(servers.state),
        "kafka": {"bootstrap": logins.bootstrap, "passwords": dict(logins.passwords)},
        "postgres": {"host": server.host, "port": server.port, "password": server.password},
    }
    write_private(file, facts)


def read_state(file: Path) -> tuple[ServersOnly, postgres.Server, KafkaLogins]:
    """The stack that `file` tells of.

    Raises UserError if there is none, or if the file names a folder that no test stack made: `stop` deletes it.
    """
    require_own(file)
    try:
        facts: dict[str, Any] = json.loads(file.read_text())
        servers = ServersOnly(Path(facts["state"]))
        found = servers, postgres.Server(**facts["postgres"]), KafkaLogins(**facts["kafka"])
    except (OSError, ValueError, LookupError, TypeError):
        raise UserError(
            f"No test stack runs: {file} is missing or damaged. Start one with `shop test-stack up`."
        ) from None
    if not found[0].state.name.startswith(FOLDER_PREFIX):
        raise UserError(
            f"{file} names {found[0].state}, which is no folder of a test stack: delete the file."
        )
    return found


def require_own(file: Path) -> None:
    """Raise UserError if another user has written the file: what it says is not to be done."""
    if file.exists() and file.stat().st_uid != os.geteuid():
        raise UserError(f"{file} is another user's file: name one of yours with SHOP_TEST_STACK.")
