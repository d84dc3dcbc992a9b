"""More processes of every service, beside the one that the stack runs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from shop_stack import parts, venvs
from shop_stack.errors import UserError
from shop_stack.parts import Stack
from shop_stack.process import Daemon

PORTS_ABOVE = 94
"""A replica's port lies above all of the stack's own."""
PATIENCE = 60.0
SETTLING = 12.0
"""Seconds in which groups divide their partitions anew; more than a session's timeout."""


@dataclass(frozen=True)
class Replica:
    """One more process of a service. It may be started and ended again and again."""

    stack: Stack
    service: str
    port: int

    @property
    def name(self) -> str:
        """What its process and its log are called."""
        return f"{self.service}-replica-{self.port}"

    @property
    def daemon(self) -> Daemon:
        """Its operating-system process."""
        return Daemon(self.name, self.stack.state)

    async def start(self) -> None:
        """Start it and return when it has joined its group. Raises UserError if it takes too long."""
        environment = {**parts.service_environment(self.stack, self.service), "HTTP_PORT": str(self.port)}
        # The stack's own process keeps its name in the group; another of that name would put it out.
        del environment["KAFKA_GROUP_INSTANCE_ID"]
        argv = [str(venvs.service(self.service).python), "-m", f"{self.service}.main"]
        self.daemon.start(argv, env=environment, cwd=self.stack.state)
        deadline = time.monotonic() + PATIENCE
        while await parts.http_status(self.port, "/readyz?require=all") != 200:
            if time.monotonic() > deadline:
                raise UserError(f"A replica on port {self.port} was not ready after {PATIENCE:.0f} s.")
            await asyncio.sleep(0.2)

    async def stop(self) -> None:
        """End it as an orderly shutdown does."""
        await self.daemon.stop()

    async def kill(self) -> None:
        """End it as `kill -9` does."""
        await self.daemon.kill()


def beside(stack: Stack, count: int) -> list[Replica]:
    """`count` replicas of each service, none of them started."""
    first = stack.ports.base + PORTS_ABOVE
    names = [name for _ in range(count) for name in stack.services]
    return [Replica(stack, name, first + place) for place, name in enumerate(names)]
