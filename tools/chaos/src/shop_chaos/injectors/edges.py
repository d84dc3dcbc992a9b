"""Faults of the connection between two parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shop_chaos import holding
from shop_chaos.edge import How
from shop_chaos.injectors.injector import Injector
from shop_chaos.system import System
from shop_stack import embedded
from shop_stack.ports import free_port

EDGE = "edge"


@dataclass
class EdgeDisturbed(Injector):
    """Restart `server` behind a proxy on its port, which disturbs the connections of `client`: "" means all clients.

    Latency, resets, a cut and a slow drip take turns of `seconds` each. Kafka advertises the port of the proxy.
    """

    server: str
    client: str = ""
    seconds: float = 4.0

    async def before(self, on: System) -> dict[str, Any]:
        for part in filter(None, (self.server, self.client)):
            embedded.require_known(on.stack, part)
        return {}

    async def inject(self, on: System) -> None:
        port, behind = on.stack.ports.all()[self.server], free_port()
        moved = replace(on.stack, ports=on.stack.ports.moving(self.server, behind))
        await embedded.stop(on.stack, self.server)
        await embedded.start(moved, self.server)
        client = [str(on.stack.daemon(self.client).pid_file)] if self.client else []
        await holding.begin(on.stack.state, EDGE, str(port), str(behind), str(self.seconds), *client)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        found = holding.counts(on.stack.state, EDGE)
        return {how: min(1, found.get(how, 0)) for how in How}

    async def heal(self, on: System) -> None:
        await holding.end(on.stack.state, EDGE)
        await embedded.stop(on.stack, self.server)
        await embedded.start(on.stack, self.server)
