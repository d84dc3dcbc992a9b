"""The PostgreSQL and the Kafka of the tests: started here, or running already."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Protocol

from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaLogins
from shop_stack.loops import in_own_loop
from shop_stack.postgres import Server
from shop_stack.servers import ServersOnly, provision_kafka, read_state, start_both

RUN = "SHOP_TEST_RUN"
"""The variable that names the folder of a test run with several processes to each of them."""
STACK_FILE = "stack.json"
LOCK = "lock"


class Servers(Protocol):
    """A PostgreSQL server and a Kafka broker, each started when it is first asked for."""

    @property
    def server(self) -> Server:
        """The PostgreSQL server, with a superuser."""

    @property
    def logins(self) -> KafkaLogins:
        """The logins of the broker. Topics, users and rights are as the contract declares them."""

    def close(self) -> None:
        """Stop what was started for these tests."""


class SharedStack:
    """A stack that was started before this test run, and goes on after it."""

    def __init__(self, file: Path) -> None:
        _, self._server, self._logins = read_state(file)

    @property
    def server(self) -> Server:
        return self._server

    @cached_property
    def logins(self) -> KafkaLogins:
        in_own_loop(provision_kafka(self._logins))
        return self._logins

    def close(self) -> None:
        """Nothing was started."""


class EmbeddedStack:
    """A stack of this test run alone."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="shop-test-"))
        self._servers = ServersOnly(folder)

    @cached_property
    def server(self) -> Server:
        return in_own_loop(self._servers.start_postgres())

    @cached_property
    def logins(self) -> KafkaLogins:
        logins = in_own_loop(self._servers.start_kafka())
        in_own_loop(provision_kafka(logins))
        return logins

    def close(self) -> None:
        in_own_loop(self._servers.stop())


class TestRun:
    """A test run with several processes. One stack for all of them starts while they collect their tests.

    They find it by an environment variable.
    """

    __test__: ClassVar[bool] = False

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="shop-test-run-"))
        os.environ[RUN] = str(self._folder)
        # It is held until the stack has started or failed: so long the processes wait.
        self._lock = (self._folder / LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._starting = ThreadPoolExecutor(1).submit(asyncio.run, self._start())

    async def _start(self) -> None:
        try:
            await provision_kafka(await start_both(self._folder / STACK_FILE))
        finally:
            self._lock.close()

    def close(self) -> None:
        """Stop the stack. Called after the last process has ended. Raises UserError if the stack did not start."""
        del os.environ[RUN]
        failure = self._starting.exception()
        if (self._folder / STACK_FILE).exists():
            servers, _, _ = read_state(self._folder / STACK_FILE)
            in_own_loop(servers.stop())
        shutil.rmtree(self._folder)
        if failure is not None:
            raise failure


class StackOfRun:
    """The stack of the test run that this process belongs to; see TestRun."""

    def __init__(self, folder: Path) -> None:
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
        _, self._server, self._logins = read_state(folder / STACK_FILE)

    @property
    def server(self) -> Server:
        return self._server

    @property
    def logins(self) -> KafkaLogins:
        return self._logins

    def close(self) -> None:
        """The run stops it."""


def starts_embedded_stack() -> bool:
    """Whether neither SHOP_TEST_STACK nor SHOP_STACK names other servers than the embedded ones."""
    return not os.environ.get("SHOP_TEST_STACK") and os.environ.get("SHOP_STACK", "embedded") == "embedded"


def chosen_servers() -> Servers:
    """The servers that SHOP_TEST_STACK or SHOP_STACK names; without them, a stack of this test run alone."""
    if file := os.environ.get("SHOP_TEST_STACK"):
        return SharedStack(Path(file))
    match os.environ.get("SHOP_STACK", "embedded"):
        case "embedded" if folder := os.environ.get(RUN):
            return StackOfRun(Path(folder))
        case "embedded":
            return EmbeddedStack()
        case "containers":
            from shop_stack.containers import ContainerStack

            return ContainerStack()
        case other:
            raise UserError(f"SHOP_STACK is {other!r}: set it to embedded or containers.")
