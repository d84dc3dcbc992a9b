"""The PostgreSQL and the Kafka of the tests: started here, or running already."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
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


class StackOfRun:
    """One stack for all processes of a test run. The first process that asks for it starts it; see TestRun."""

    def __init__(self, folder: Path) -> None:
        file = _state_file(folder)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                in_own_loop(provision_kafka(in_own_loop(start_both(file))))
        _, self._server, self._logins = read_state(file)

    @property
    def server(self) -> Server:
        return self._server

    @property
    def logins(self) -> KafkaLogins:
        return self._logins

    def close(self) -> None:
        """Other processes may use the stack still: the run stops it."""


class TestRun:
    """A test run with several processes: they find its folder, and one stack, by an environment variable."""

    __test__: ClassVar[bool] = False

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="shop-test-run-"))
        os.environ[RUN] = str(self._folder)

    def close(self) -> None:
        """Stop the stack, if a process has started it. Called after the last process has ended."""
        file = _state_file(self._folder)
        if file.exists():
            servers, _, _ = read_state(file)
            in_own_loop(servers.stop())
        shutil.rmtree(self._folder)
        del os.environ[RUN]


def _state_file(folder: Path) -> Path:
    return folder / "stack.json"


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
