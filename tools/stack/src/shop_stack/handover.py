"""Replaces the process of a service by another one without a lost connection.

The new process starts beside the old one, takes its listening sockets (libs/chassis/src/chassis/handover.py), and
becomes ready. Then the old one ends: it finishes its requests and its batch. Both are members of the consumer group
meanwhile, each under the name of its slot.
"""

from __future__ import annotations

from pathlib import Path

import httpx

from shop_stack import deployed, kafka_groups, parts
from shop_stack.deployed import Deployed, Deployment
from shop_stack.errors import UserError
from shop_stack.parts import READY_PATIENCE
from shop_stack.ports import HOST, free_port, http_status
from shop_stack.process import Daemon
from shop_stack.rights import STACK
from shop_stack.stack import Stack

NEXT = "next"
"""The process that starts beside the running one."""
PREVIOUS = "previous"
"""The process that ends after another one has replaced it."""
CANARY = "canary"
"""A process of a release that is on trial beside the running one (shop_lab.canary)."""
END_SECONDS = 20.0
"""Longer than all time limits of a shutdown together (libs/chassis/src/chassis/__init__.py)."""
MODULE = Path("libs/chassis/src/chassis/handover.py")


def why_not(stack: Stack, name: str, release: Deployed) -> str:
    """The reason for which the running process of a service cannot be replaced without a gap; empty if it can."""
    if not (stack.state / stack.deployment(name).handover_socket).exists():
        return "the process that runs gives its sockets to no other: an older release has started it"
    if not (release.folder / MODULE).exists():
        return "the chassis of that release cannot take the sockets of another process"
    return ""


async def replace_process(
    stack: Stack, name: str, following: Deployment, patience: float = READY_PATIENCE
) -> None:
    """Start the process of `following`, and end the one that runs when the new one is ready.

    The environment of the release must be built, and its migrations applied. The deployment is recorded when the new
    process is ready.

    Raises UserError if the new process ends, or is not ready after `patience` seconds. Then it is stopped, the old one
    goes on, and nothing is recorded.
    """
    present = stack.deployment(name)
    starting = second_daemon(stack, name, NEXT)
    port = free_port()
    try:
        starting.start(
            following.now.command, env=_environment(stack, present, following, port), cwd=stack.state
        )
        await _until_ready(starting, following.now, port, patience)
    except BaseException:
        await _end(stack, starting, following)
        raise
    ending = second_daemon(stack, name, PREVIOUS)
    # From here on the new process is the service: an interruption leaves two processes, and each has its pid file.
    stack.daemon(name).pid_file.replace(ending.pid_file)
    starting.pid_file.replace(stack.daemon(name).pid_file)
    deployed.write(stack.state, following)
    await _end(stack, ending, present)
    await parts.ready(stack, name)


async def stop_leftovers(stack: Stack, name: str) -> None:
    """Stop the other processes of a service, which an interrupted deployment or canary has left."""
    for which in (NEXT, PREVIOUS, CANARY):
        await second_daemon(stack, name, which).stop(patience=END_SECONDS)


def second_daemon(stack: Stack, name: str, which: str) -> Daemon:
    """A second process of a service. Its log is that of the service."""
    return Daemon(f"{name}-{which}", stack.state, log_of=name)


def _environment(stack: Stack, present: Deployment, following: Deployment, port: int) -> dict[str, str]:
    """The environment of the new process. `port` is its own management port, which tells whether it is ready."""
    return {
        **parts.service_environment(stack, following.now.service, following),
        "HTTP_MANAGEMENT_PORT": str(port),
        "HTTP_HANDOVER_SOCKET": following.handover_socket,
        "HTTP_PREDECESSOR_SOCKET": present.handover_socket,
    }


async def _until_ready(daemon: Daemon, release: Deployed, port: int, patience: float) -> None:
    late = f"{release.name} was not ready after {patience:.0f} s"
    goes_on = (
        f"so it is not deployed, and the process from before goes on. See `shop logs {release.service}`."
    )

    async def is_ready() -> bool:
        return await http_status(port, "/readyz?require=all") == 200

    try:
        await daemon.until_ready(
            is_ready,
            patience,
            ended=lambda: (
                f"{release.name} ended right after its start ({parts.last_words(daemon)}), {goes_on}"
            ),
            late=late,
        )
    except UserError:
        if daemon.process() is None:
            raise
        raise UserError(f"{late} ({await _faults(port)}), {goes_on}") from None


async def _faults(port: int) -> str:
    """The checks that fail at `/readyz`, in words."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
            answer = await http.get(f"http://{HOST}:{port}/readyz", params={"require": "all"})
        checks = {name: str(check) for name, check in answer.json()["checks"].items() if check != "ok"}
    except (httpx.HTTPError, ValueError, KeyError, AttributeError):
        return "its management port does not answer"
    return ", ".join(f"{name}: {check}" for name, check in checks.items()) or "every check succeeds by now"


async def _end(stack: Stack, daemon: Daemon, deployment: Deployment) -> None:
    """End a process in order, and have the group divide its partitions at once."""
    await daemon.stop(patience=END_SECONDS)
    service = deployment.now.service
    # If the broker does not answer, the partitions wait until the session of this member times out.
    await kafka_groups.remove_static_member(stack.logins.of(STACK), service, f"{service}-{deployment.slot}")
