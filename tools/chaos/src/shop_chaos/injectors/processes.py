"""Faults of a part's process: killed, stopped, frozen, slowed down, or restarted again and again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from shop_chaos import holding
from shop_chaos.injectors.injector import Injector
from shop_chaos.system import System
from shop_stack import embedded, kafka_groups, rights
from shop_stack.process import Daemon

ENDED = "processes ended"
FROZEN = "processes frozen"
REMOVED = "members removed from their group"


@dataclass
class Kill(Injector):
    """Kill a part, as `kill -9` does, and start it again at the end."""

    part: str

    async def before(self, on: System) -> dict[str, Any]:
        embedded.require_known(on.stack, self.part)
        return {"pid": on.stack.daemon(self.part).pid}

    async def inject(self, on: System) -> None:
        await embedded.kill(on.stack, self.part)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        pid = before["pid"]
        return {ENDED: int(pid is not None and on.stack.daemon(self.part).pid != pid)}

    async def heal(self, on: System) -> None:
        await embedded.start(on.stack, self.part)


@dataclass
class Stop(Kill):
    """Stop a part by an orderly shutdown, and start it again at the end."""

    async def inject(self, on: System) -> None:
        await embedded.stop(on.stack, self.part)


@dataclass
class Freeze(Injector):
    """Suspend a part and its children (SIGSTOP), and resume them at the end."""

    part: str

    async def before(self, on: System) -> dict[str, Any]:
        embedded.require_known(on.stack, self.part)
        return {"was a member": await _is_member(on, self.part)}

    async def inject(self, on: System) -> None:
        send(on.stack.daemon(self.part), signal.SIGSTOP)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        family = family_of(on.stack.daemon(self.part))
        frozen = sum(member.status() == psutil.STATUS_STOPPED for member in family)
        removed = before["was a member"] and not await _is_member(on, self.part)
        return {FROZEN: frozen, REMOVED: int(removed)}

    async def heal(self, on: System) -> None:
        send(on.stack.daemon(self.part), signal.SIGCONT)


@dataclass
class Slow(Injector):
    """Suspend a part for `share` (0 to 1) of each tenth of a second, until the end."""

    part: str
    share: float = 0.8

    async def before(self, on: System) -> dict[str, Any]:
        embedded.require_known(on.stack, self.part)
        return {}

    async def inject(self, on: System) -> None:
        daemon = on.stack.daemon(self.part)
        await holding.begin(on.stack.state, "slow", str(daemon.pid_file), str(self.share))

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        return {"suspensions": holding.counted(on.stack.state, "slow")}

    async def heal(self, on: System) -> None:
        await holding.end(on.stack.state, "slow")
        send(on.stack.daemon(self.part), signal.SIGCONT)


@dataclass
class Flap(Injector):
    """Kill a part and start it again, `times` times. It returns when the part runs for the last time."""

    part: str
    times: int = 5
    pause: float = 1.0
    """Seconds between two kills, and between a kill and the start."""

    async def before(self, on: System) -> dict[str, Any]:
        embedded.require_known(on.stack, self.part)
        return {}

    async def inject(self, on: System) -> None:
        ended = 0
        for _ in range(self.times):
            ended += on.stack.daemon(self.part).pid is not None
            await embedded.kill(on.stack, self.part)
            await asyncio.sleep(self.pause)
            await embedded.start(on.stack, self.part)
            await asyncio.sleep(self.pause)
        holding.write_count(on.stack.state, "flap", ended)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        return {ENDED: holding.counted(on.stack.state, "flap")}

    async def heal(self, on: System) -> None:
        await embedded.start(on.stack, self.part)


def family_of(daemon: Daemon) -> list[psutil.Process]:
    """A part's process and its descendants; [] if it does not run."""
    running = daemon.process()
    return [] if running is None else [running, *running.children(recursive=True)]


def send(daemon: Daemon, sign: signal.Signals) -> None:
    """Send a signal to a part's process and to its descendants."""
    for member in family_of(daemon):
        try:
            member.send_signal(sign)
        except psutil.NoSuchProcess:
            pass  # It has just ended.


async def _is_member(on: System, part: str) -> bool:
    """Whether the part's process is a member of its consumer group."""
    if part not in on.stack.services:
        return False
    instance = f"{part}-{on.stack.deployment(part).slot}"
    return bool(await kafka_groups.partitions_of(on.stack.logins.of(rights.STACK), part, instance))
