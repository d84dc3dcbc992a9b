"""The alerts of a real Prometheus beside the shop of a drill: when each began to fire, and when it resolved."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from chassis.backoff import wait_for_event
from shop_stack import monitoring
from testkit import eventually
from tests.runbooks import measured
from tests.runbooks.drills.conftest import Runbook
from tests.runbooks.drills.shop import Output, Shop
from tests.runbooks.pages import Page

PAUSE_SECONDS = 0.5
"""The time between two looks at Prometheus, which evaluates its rules every 5 seconds."""
FIRES, RESOLVES = 180.0, 300.0
"""The longest times, in seconds, that a drill waits. They are no promise: the times are printed into the runbooks."""


@dataclass
class Alarms:
    """What Prometheus says of its alerts, as it was last seen."""

    port: int
    firing: frozenset[str] = frozenset()
    fired: dict[str, float] = field(default_factory=dict)
    """Alert → when it was first seen firing after `forget`, by the monotonic clock."""
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    def forget(self) -> None:
        self.fired.clear()

    async def watch(self) -> None:
        """Look again and again, until `ending` is set."""
        async with httpx.AsyncClient(trust_env=False) as http:
            while not self.ending.is_set():
                answer = await http.get(f"http://127.0.0.1:{self.port}/api/v1/alerts")
                self.firing = firing_in(answer.raise_for_status().json()["data"]["alerts"])
                for name in self.firing:
                    self.fired.setdefault(name, time.monotonic())
                await wait_for_event(self.ending, PAUSE_SECONDS)


def firing_in(alerts: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The alerts that fire, by name. Of an objective it is the page: its ticket lasts as long as its long windows."""
    return frozenset(
        alert["labels"]["alertname"]
        for alert in alerts
        if alert["state"] == "firing" and alert["labels"].get("sloth_severity") != "ticket"
    )


@dataclass
class Drill:
    """One fault, and the alerts that tell of it."""

    shop: Shop
    names: Sequence[str]
    alarms: Alarms
    began: float = 0.0
    cured: float = 0.0

    async def are_quiet(self) -> None:
        """Return when none of the alerts fires: an earlier drill may be the cause."""
        await self._are(False)
        self.alarms.forget()
        self.began = time.monotonic()

    async def fire(self) -> None:
        """Return when all alerts have been seen firing together. The cure begins now."""
        await self._are(True)
        self.cured = time.monotonic()

    async def resolve(self) -> None:
        """Return when all alerts have resolved. The minutes are written into their runbooks."""
        recovered: dict[str, float] = {}

        async def none_fires() -> None:
            for name in set(self.names) - self.alarms.firing:
                recovered.setdefault(name, time.monotonic() - self.cured)
            assert self.alarms.firing & set(self.names) == set()

        await eventually(none_fires, RESOLVES)
        measured.write({name: (self.alarms.fired[name] - self.began, recovered[name]) for name in self.names})

    async def follow(self, page: str, number: int, fill: Mapping[str, str] | None = None) -> list[Output]:
        """Run the commands of one block of a runbook as they are printed. Each must succeed."""
        runbook = Runbook(Page.read(page), self.shop)
        outputs = await runbook.run(runbook.blocks[number], fill)
        assert [output for output in outputs if output.code != 0] == []
        return outputs

    async def _are(self, firing: bool) -> None:
        async def all_are() -> None:
            found = self.alarms.firing & set(self.names)
            assert found == (set(self.names) if firing else set()), sorted(self.alarms.firing)

        await eventually(all_are, FIRES if firing else RESOLVES)


@asynccontextmanager
async def watched(shop: Shop) -> AsyncIterator[Alarms]:
    """Prometheus runs beside the shop, and its alerts are watched until the context ends."""
    await monitoring.start(shop.stack)
    alarms = Alarms(shop.stack.ports.prometheus)
    watching = asyncio.create_task(alarms.watch())
    try:
        yield alarms
    finally:
        alarms.ending.set()
        await watching
