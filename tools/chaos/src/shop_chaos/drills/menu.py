"""The faults of a drill. An operator can see each with the `shop` commands, and cure it with one of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shop_chaos import injectors
from shop_chaos.catalogue import faults
from shop_chaos.injectors import Injector
from shop_chaos.system import System
from shop_stack import embedded, hands, kafka_users, parts, paths, rights, topics
from shop_stack.hands import Act

CAUSES: Mapping[str, str] = {
    "down": "its process has ended",
    "frozen": "its process lives and does nothing",
    "slow": "its process is paused again and again",
    "rights": "Kafka refuses it: the part is the service that lost a right",
    "connections": "PostgreSQL refuses its connections: the part is the service that is refused",
}
"""What `shop drill answer --cause` takes → its meaning."""
PAUSE_SECONDS = 0.2
"""With the 0.05 s between two pauses, a slow part gets a fifth of its time, as the catalogue says."""
LOOKS = 40
LOOK_SECONDS = 0.025


@dataclass
class SlowByHand(Injector):
    """Slow a part down as `shop slow` does, so that `shop status` names it and `shop resume` cures it."""

    part: str

    async def inject(self, on: System) -> None:
        hands.slow(on.stack, self.part, PAUSE_SECONDS)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        """The looks of one second that find it suspended."""
        found = 0
        for _ in range(LOOKS):
            running = on.stack.daemon(self.part).process()
            found += running is not None and hands.is_frozen(running)
            await asyncio.sleep(LOOK_SECONDS)
        return {"suspensions": found}

    async def heal(self, on: System) -> None:
        await hands.resume(on.stack, self.part)
        await embedded.start(on.stack, self.part)


@dataclass(frozen=True)
class Hidden:
    """One fault that a drill can hide."""

    fault: str
    """Its id in the catalogue."""
    part: str
    cause: str
    """A key of CAUSES."""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def injector(self) -> Injector:
        """How it is injected, seen and undone."""
        if self.cause == "slow":
            return SlowByHand(self.part)
        return injectors.of(faults().of(self.fault).injector, self.arguments)

    @property
    def must_be_seen(self) -> Mapping[str, int]:
        """The counts that prove that it bit."""
        return faults().of(self.fault).must_be_seen

    @property
    def sentence(self) -> str:
        """The fault, for people."""
        return f"{self.part}: {self.cause} ({CAUSES[self.cause].partition(':')[0]})"

    @property
    def hints(self) -> tuple[str, str]:
        """Two hints: which command shows it, and which part it is."""
        return HINTS[self.cause], f"The part is {self.part}."


HINTS: Mapping[str, str] = {
    "down": "`shop status` shows it.",
    "frozen": "`shop status` shows it.",
    "slow": "`shop status` shows it, if you ask more than once.",
    "rights": "`shop rights --try` and `shop outbox list` show it.",
    "connections": "`shop why --all` and `shop logs postgres` show it.",
}


def _of_process(fault: str, cause: str, *names: str) -> list[Hidden]:
    return [Hidden(fault, name, cause, {"part": name}) for name in names]


def _of_right(service: str, operation: str) -> Hidden:
    arguments = {"service": service, "operation": operation}
    return Hidden("kafka-right-withdrawn", service, "rights", arguments)


def _of_connections(service: str) -> Hidden:
    return Hidden("postgres-out-of-connections", service, "connections", {"service": service})


MENU: tuple[Hidden, ...] = (
    *_of_process("kill", "down", "inventory", "payments", "notifications", "analytics", "kafka"),
    *_of_process("kill", "down", "processor", "issuer"),
    *_of_process("freeze", "frozen", "orders", "inventory", "payments", "notifications", "postgres"),
    *_of_process("freeze", "frozen", "processor"),
    *_of_process("slow", "slow", "inventory", "payments", "processor"),
    *(_of_right(*each) for each in (("payments", "Write"), ("inventory", "Write"), ("payments", "Read"))),
    *map(_of_connections, ("inventory", "payments", "notifications")),
)
"""Every fault of a drill. A seed chooses one of them."""


def chosen(seed: int) -> Hidden:
    """The fault of a seed. The same seed gives the same fault."""
    return random.Random(seed).choice(MENU)


async def is_in_force(hidden: Hidden, on: System) -> bool:
    """Whether the fault is not undone yet. True also if a part that must be asked does not answer."""
    try:
        return await _IN_FORCE[hidden.cause](on, hidden.part)
    except Exception:  # each client library has errors of its own, and each means that it cannot be known
        return True


async def _is_not_at_work(on: System, part: str) -> bool:
    """The part does not run, is frozen or slow, or is not ready."""
    running = on.stack.daemon(part).process()
    if running is None or hands.act_on(on.stack, part) is not Act.NONE:
        return True
    return not await parts.is_ready(on.stack, part)


async def _lacks_rights(on: System, service: str) -> bool:
    wanted = rights.service_rights(service, topics.entries(paths.contracts()))
    return len(await kafka_users.rights_of(on.stack.logins.of(rights.STACK), service)) < len(set(wanted))


async def _lacks_connections(on: System, service: str) -> bool:
    async with on.stack.server.connected() as database:
        limit = await database.fetchval("SELECT rolconnlimit FROM pg_roles WHERE rolname = $1", service)
    return bool(limit == 0)


_IN_FORCE: Mapping[str, Callable[[System, str], Awaitable[bool]]] = {
    "down": _is_not_at_work,
    "frozen": _is_not_at_work,
    "slow": _is_not_at_work,
    "rights": _lacks_rights,
    "connections": _lacks_connections,
}
