"""More processes of every service, in addition to the process that the stack runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from shop_stack import parts
from shop_stack.errors import UserError
from shop_stack.ports import http_status
from shop_stack.process import Daemon
from shop_stack.stack import Stack

PORTS_ABOVE = 94
"""The ports of replicas are higher than all ports of the stack."""
MANAGEMENT_ABOVE = 50
"""The distance between the two ports of a replica."""
PATIENCE = 60.0
SETTLING = 12.0
"""Seconds until a consumer group has divided its partitions again: more than the session timeout (10 s)."""


@dataclass(frozen=True)
class Replica:
    """One more process of a service. It can be started and ended repeatedly."""

    stack: Stack
    service: str
    port: int
    management_port: int
    """The port of its probes, metrics and admin API."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that it has in addition to those of the stack, such as SHOP_ROLE."""

    @property
    def name(self) -> str:
        """The name of its process and of its log."""
        return f"{self.service}-replica-{self.port}"

    @property
    def daemon(self) -> Daemon:
        """Its operating-system process."""
        return Daemon(self.name, self.stack.state)

    async def start(self) -> None:
        """Start it and return when it is ready and has joined its group. Raises UserError after PATIENCE seconds."""
        environment = {
            **parts.service_environment(self.stack, self.service),
            "HTTP_PORT": str(self.port),
            "HTTP_MANAGEMENT_PORT": str(self.management_port),
            **self.environment,
        }
        # The stack's own process has this name in the group. A second member of that name would replace it.
        del environment["KAFKA_GROUP_INSTANCE_ID"]
        command = self.stack.deployment(self.service).now.command
        self.daemon.start(command, env=environment, cwd=self.stack.state)
        deadline = time.monotonic() + PATIENCE
        while await http_status(self.management_port, "/readyz?require=all") != 200:
            if time.monotonic() > deadline:
                raise UserError(f"A replica on port {self.port} was not ready after {PATIENCE:.0f} s.")
            await asyncio.sleep(0.2)

    async def stop(self) -> None:
        """Stop it by an orderly shutdown."""
        await self.daemon.stop()

    async def kill(self) -> None:
        """Kill it, as `kill -9` does."""
        await self.daemon.kill()


def beside(stack: Stack, count: int) -> list[Replica]:
    """`count` more processes of each service. None of them is started."""
    first = stack.ports.base + PORTS_ABOVE
    names = [name for _ in range(count) for name in stack.services]
    return [
        Replica(stack, name, first + place, first + place + MANAGEMENT_ABOVE)
        for place, name in enumerate(names)
    ]
