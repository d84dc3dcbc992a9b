"""The PostgreSQL and the Kafka of the tests: started here, or running already."""

from __future__ import annotations

import os
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Protocol

from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaLogins
from shop_stack.loops import in_own_loop
from shop_stack.postgres import Server
from shop_stack.servers import ServersOnly, provision_kafka, read_state


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


def chosen_servers() -> Servers:
    """The servers that SHOP_TEST_STACK or SHOP_STACK names; without them, a stack of this test run alone."""
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
