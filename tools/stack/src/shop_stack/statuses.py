"""Every process of a stack as it is now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from shop_stack import hands, parts
from shop_stack.deployed import CLONE
from shop_stack.hands import Act
from shop_stack.process import Resources
from shop_stack.stack import Stack


@dataclass(frozen=True)
class Status:
    """One process of a stack as it is now."""

    name: str
    running: bool
    ready: bool
    port: int
    pid: int | None
    uptime: float | None
    """Seconds."""
    resources: Resources | None
    release: str = ""
    """The version of a service that was deployed, or `clone`. Other parts have none."""
    act: Act = Act.NONE
    """What a person has done to it."""


async def status(stack: Stack) -> list[Status]:
    """Every process of the stack."""
    ready = await asyncio.gather(*(_ready_now(stack, name) for name in stack.parts))
    return [_status(stack, name, is_ready) for name, is_ready in zip(stack.parts, ready, strict=True)]


async def _ready_now(stack: Stack, name: str) -> bool:
    running = stack.daemon(name).process()
    # A frozen server still accepts connections: the kernel does.
    return running is not None and not hands.is_frozen(running) and await parts.is_ready(stack, name)


def _status(stack: Stack, name: str, ready: bool) -> Status:
    daemon = stack.daemon(name)
    return Status(
        name=name,
        running=daemon.process() is not None,
        ready=ready,
        port=stack.port_of(name),
        pid=daemon.pid,
        uptime=daemon.uptime(),
        resources=daemon.resources(),
        release=_release_of(stack, name),
        act=hands.act_on(stack, name),
    )


def _release_of(stack: Stack, name: str) -> str:
    if name in stack.services:
        return stack.deployment(name).now.version
    return CLONE if stack.members(name) else ""
