"""The ports of a stack, counted from SHOP_PORT_BASE."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import psutil

from shop_stack import paths, topics
from shop_stack.errors import UserError

HOST = "127.0.0.1"
SERVICES = topics.services(paths.contracts())
"""Every service, in the order of contracts/topics.yaml, which is the order of their ports."""
BROKERS = ("kafka", "kafka-2", "kafka-3")
"""The names of the brokers. A stack has the first one only, or all three."""
DEFAULT_BASE = 18000


@dataclass(frozen=True)
class Ports:
    """The ports of one stack. Each is `base` plus the number below. A service has two: 01 and 21, 02 and 22, …"""

    base: int
    moved: Mapping[str, int] = field(default_factory=dict)
    """Name of a part → another port on which it listens, because a proxy listens on its own one."""

    def moving(self, part: str, port: int) -> Ports:
        """The same ports, but this part listens on `port`."""
        return replace(self, moved={**self.moved, part: port})

    @property
    def unmoved(self) -> Ports:
        """The ports that clients use."""
        return Ports(self.base)

    def service(self, name: str) -> int:
        """The public port of a service."""
        return self.moved.get(name, self.base + 1 + SERVICES.index(name))

    def management(self, name: str) -> int:
        """The port of a service's probes, metrics and admin API."""
        return self.base + 21 + SERVICES.index(name)

    @property
    def processor(self) -> int:
        return self.moved.get("processor", self.base + 10)

    @property
    def issuer(self) -> int:
        return self.moved.get("issuer", self.base + 12)

    @property
    def spans(self) -> int:
        return self.base + 18

    @property
    def prometheus(self) -> int:
        """The port of Prometheus, if `shop up --observability` starts it."""
        return self.base + 19

    @property
    def oracle(self) -> int:
        """The port of the oracle's verdict, while `shop check --every` runs."""
        return self.base + 41

    @property
    def postgres(self) -> int:
        return self.moved.get("postgres", self.base + 32)

    @property
    def kafka(self) -> int:
        return self.broker(1)

    def broker(self, node: int) -> int:
        """The port for clients of a broker. `node` is 1, 2 or 3."""
        return self.moved.get(BROKERS[node - 1], self.base + 90 + 2 * node)

    def controller(self, node: int) -> int:
        """The port on which a broker, as a controller, is reached by the others."""
        return self.base + 91 + 2 * node

    def all(self) -> dict[str, int]:
        """Name of a process → its port. `<service>-management` is the second port of a service."""
        return {
            "postgres": self.postgres,
            **{name: self.broker(node) for node, name in enumerate(BROKERS, 1)},
            **{f"{name}-controller": self.controller(node) for node, name in enumerate(BROKERS, 1)},
            "spans": self.spans,
            "prometheus": self.prometheus,
            "oracle": self.oracle,
            "processor": self.processor,
            "issuer": self.issuer,
            **{name: self.service(name) for name in SERVICES},
            **{f"{name}-management": self.management(name) for name in SERVICES},
        }


async def answers(port: int) -> bool:
    """Whether a process on this machine accepts connections on this port."""
    # A socket and no stream: a stream that is closed at the end of the loop is reported as not closed.
    with socket.socket() as probe:
        probe.setblocking(False)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(probe, (HOST, port)), 2)
        except (OSError, TimeoutError):
            return False
    return True


async def http_status(port: int, path: str) -> int | None:
    """The status of a GET; None if there is no answer. It uses a plain socket: HTTP libraries take long to import."""
    try:
        async with asyncio.timeout(3):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            line = (await reader.readline()).split()
            writer.close()
    except (OSError, TimeoutError):
        return None
    return int(line[1]) if len(line) > 1 and line[1].isdigit() else None


def base_from_environment() -> int:
    """SHOP_PORT_BASE, or 18000. Raises UserError if it is not a port number from 1024 to 65000."""
    given = os.environ.get("SHOP_PORT_BASE", str(DEFAULT_BASE))
    if not given.isdigit() or not 1024 <= int(given) <= 65000:
        raise UserError(
            f"SHOP_PORT_BASE is {given!r}, which is no port number: set it to one from 1024 to 65000."
        )
    return int(given)


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_base() -> int:
    """A port base whose ports are all free now, for a stack that runs at the same time as others, such as a test's."""
    while True:
        base = random.randrange(20_000, 32_000, 100)
        if all(is_free(port) for port in Ports(base).all().values()):
            return base


def require_free(name: str, port: int) -> None:
    """Raise UserError if the port is in use. The message names the process that listens on it, if it is known."""
    if not is_free(port):
        raise UserError(
            f"Port {port}, which {name} needs, is in use{_holder(port)}: "
            "end that program, or choose other ports with SHOP_PORT_BASE (for example SHOP_PORT_BASE=28000)."
        )


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _holder(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,)
            if listens and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass  # Some users may not read the sockets of others.
    return ""
