"""Faults of a part's process: killed, stopped, frozen, slowed down, or restarted again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shop_chaos import holding
from shop_chaos.injectors.injector import Injector
from shop_chaos.system import System
from shop_stack import embedded

ENDED = "processes ended"
FROZEN = "processes frozen"
REMOVED = "members removed from their group"


@dataclass
class Kill(Injector):
    """Kill a part, as `kill -9` does, and start it again at the end. A cluster starts it by itself."""

    part: str

    async def before(self, on: System) -> dict[str, Any]:
        return {"running": sorted(await on.parts.running(self.part))}

    async def inject(self, on: System) -> None:
        await on.parts.kill(self.part)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        """The processes that ran before and do not run now: all of them, or the kill does not count."""
        left = set(before["running"]) & await on.parts.running(self.part)
        return {ENDED: 0 if left else len(before["running"])}

    async def heal(self, on: System) -> None:
        await on.parts.start(self.part)


@dataclass
class Stop(Kill):
    """Stop a part by an orderly shutdown, and start it again at the end."""

    async def inject(self, on: System) -> None:
        await on.parts.stop(self.part)


@dataclass
class Freeze(Injector):
    """Suspend a part and its children (SIGSTOP), and resume them at the end."""

    part: str

    async def before(self, on: System) -> dict[str, Any]:
        await on.parts.running(self.part)  # raises if there is no such part
        return {"was a member": await on.parts.is_member(self.part)}

    async def inject(self, on: System) -> None:
        await on.parts.freeze(self.part)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        frozen = await on.parts.frozen(self.part)
        removed = before["was a member"] and not await on.parts.is_member(self.part)
        return {FROZEN: frozen, REMOVED: int(removed)}

    async def heal(self, on: System) -> None:
        await on.parts.resume(self.part)


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
        await on.parts.resume(self.part)


@dataclass
class Flap(Injector):
    """Kill a part and start it again, `times` times. It returns when the part runs for the last time."""

    part: str
    times: int = 5
    pause: float = 1.0
    """Seconds between two kills, and between a kill and the start."""

    async def before(self, on: System) -> dict[str, Any]:
        await on.parts.running(self.part)  # raises if there is no such part
        return {}

    async def inject(self, on: System) -> None:
        ended = 0
        for _ in range(self.times):
            before = await on.parts.running(self.part)
            await on.parts.kill(self.part)
            await asyncio.sleep(self.pause)
            await on.parts.start(self.part)
            ended += bool(before) and not before & await on.parts.running(self.part)
            await asyncio.sleep(self.pause)
        holding.write_count(on.state, "flap", ended)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        return {ENDED: holding.counted(on.state, "flap")}

    async def heal(self, on: System) -> None:
        await on.parts.start(self.part)
