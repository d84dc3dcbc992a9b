"""The processes of both shapes, and the listening sockets that are kept between them.

The next processes start while the ones from before still run. They import their code, and wait for the sockets. So
requests wait only while the rows are copied, and not while Python starts.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Mapping

from shop_stack import groups, hands, parts, socket_keeper
from shop_stack.emancipation.journal import KEEPER
from shop_stack.errors import UserError
from shop_stack.handover import END_SECONDS
from shop_stack.ports import SERVICES, free_port
from shop_stack.process import Daemon
from shop_stack.socket_keeper import path_of
from shop_stack.stack import Stack

HOLD_SECONDS = 30.0
"""Seconds in which the keeper must have all sockets."""
WAIT_SECONDS = 60.0
"""Seconds in which the next processes must have imported their code."""


def keeper(stack: Stack) -> Daemon:
    """The process that keeps the listening sockets."""
    return stack.daemon(KEEPER)


async def hold(stack: Stack) -> None:
    """Have the keeper take the listening sockets of all services. `stack` has the shape that runs.

    Raises UserError if a process gives none.
    """
    for name in SERVICES:
        if not (stack.state / stack.deployment(name).handover_socket).exists():
            unit = stack.database_of(name)
            raise UserError(
                f"The process {unit} gives its sockets to no other, because an older release has started it: "
                f"`shop restart {unit}`, then try again."
            )
        (stack.state / path_of(name)).unlink(missing_ok=True)
    (stack.state / socket_keeper.WAITING).unlink(missing_ok=True)
    given = [f"{name}={stack.deployment(name).handover_socket}" for name in SERVICES]
    argv = [sys.executable, "-m", "shop_stack.socket_keeper", *given]
    daemon = keeper(stack)
    daemon.start(argv, env=parts.child_environment(), cwd=stack.state)

    async def has_all() -> bool:
        return all((stack.state / path_of(name)).exists() for name in SERVICES)

    await daemon.until_ready(
        has_all,
        HOLD_SECONDS,
        ended=lambda: f"The sockets cannot be kept ({parts.last_words(daemon)}): try again.",
        late=f"The sockets were not kept after {HOLD_SECONDS:.0f} s: see {daemon.log}, then try again.",
    )


def launch(stack: Stack, unit: str) -> None:
    """Start a process of services if it does not run. If the sockets are kept, it waits for them.

    Its environment must be built, and its tables migrated.
    """
    if stack.daemon(unit).process() is not None:
        return
    members = stack.members(unit)
    variables = {name: _variables(stack, name) for name in members}
    if len(members) == 1:
        parts.launch_service(stack, unit, variables[unit])
    else:
        groups.launch(stack, unit, variables)


def _variables(stack: Stack, name: str) -> Mapping[str, str]:
    """The variables of a process that takes kept sockets. None if no sockets are kept: it opens ports of its own."""
    if keeper(stack).process() is None:
        (stack.state / stack.deployment(name).handover_socket).unlink(missing_ok=True)
        return {}
    return {"HTTP_MANAGEMENT_PORT": str(free_port()), "HTTP_PREDECESSOR_SOCKET": path_of(name)}


async def until_they_wait(stack: Stack) -> None:
    """Return when all next processes wait for their sockets, or have ended: then `open_all` starts them again."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if any(stack.daemon(unit).process() is None for unit in stack.units):
            return
        if _waiting(stack) >= set(SERVICES):
            return
        await asyncio.sleep(0.05)


def _waiting(stack: Stack) -> set[str]:
    try:
        return set(json.loads((stack.state / socket_keeper.WAITING).read_text()))
    except (OSError, ValueError):
        return set()


async def stop(stack: Stack) -> None:
    """Stop the processes of services in order: they answer their requests and save their positions."""
    for unit in stack.units:
        await hands.resume(stack, unit)
    await asyncio.gather(*(stack.daemon(unit).stop(patience=END_SECONDS) for unit in stack.units))


async def kill(stack: Stack) -> None:
    """Kill the processes of services. It is for those that wait for sockets, and have done nothing."""
    await asyncio.gather(*(stack.daemon(unit).kill() for unit in stack.units))


async def open_all(stack: Stack) -> None:
    """Give the kept sockets to the processes of a shape, and return when all are ready. The keeper ends.

    Raises UserError if a process does not become ready. Then the keeper goes on.
    """
    keeper(stack).send(signal.SIGUSR1)
    await asyncio.gather(*(_until_ready(stack, unit) for unit in stack.units))
    await release(stack)


async def _until_ready(stack: Stack, unit: str) -> None:
    launch(stack, unit)
    try:
        await parts.ready(stack, unit)
    except UserError:
        if stack.daemon(unit).process() is not None:
            raise
        # It had waited for the sockets for so long that it has given up just now.
        launch(stack, unit)
        await parts.ready(stack, unit)


async def release(stack: Stack) -> None:
    """End the keeper. Sockets that no process has taken are closed."""
    await keeper(stack).stop()
