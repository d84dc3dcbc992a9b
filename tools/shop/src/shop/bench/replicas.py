"""More processes of every service, beside the one that the stack runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shop.bench.stage import Stage
from shop.stack import parts, venvs
from shop.stack.process import Daemon
from shop.stack.trouble import Trouble

PORTS_ABOVE = 94
"""A replica's port lies above all of the stack's own."""
PATIENCE = 60.0
SETTLING = 12.0
"""Seconds in which groups divide their partitions anew; more than a session's timeout."""


@asynccontextmanager
async def running(stage: Stage, count: int) -> AsyncIterator[None]:
    """`count` processes of each service in all; their CPU is counted with their service's."""
    more = [(name, number) for number in range(count - 1) for name in stage.stack.services]
    try:
        for place, (name, number) in enumerate(more):
            stage.replicas.append(
                (name, _start(stage, name, number, stage.stack.ports.base + PORTS_ABOVE + place))
            )
        await asyncio.gather(
            *(_ready(stage.stack.ports.base + PORTS_ABOVE + place) for place in range(len(more)))
        )
        await asyncio.sleep(SETTLING)
        yield
    finally:
        await asyncio.gather(*(daemon.stop() for _, daemon in stage.replicas))
        stage.replicas.clear()
        await asyncio.sleep(SETTLING if more else 0)


def _start(stage: Stage, name: str, number: int, port: int) -> Daemon:
    stack = stage.stack
    daemon = Daemon(f"{name}-replica-{number}", stack.state)
    environment = {**parts.service_environment(stack, name), "HTTP_PORT": str(port)}
    daemon.start([str(venvs.service(name).python), "-m", f"{name}.main"], env=environment, cwd=stack.state)
    return daemon


async def _ready(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while await parts.http_status(port, "/readyz") != 200:
        if time.monotonic() > deadline:
            raise Trouble(f"A replica on port {port} was not ready after {PATIENCE:.0f} s.")
        await asyncio.sleep(0.2)
