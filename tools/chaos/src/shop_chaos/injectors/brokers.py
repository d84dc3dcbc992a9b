"""The loss of one broker of several."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from shop_chaos.injectors.injector import Injector
from shop_chaos.system import System
from shop_stack import embedded, rights
from shop_stack.errors import UserError

WAYS = ("stopped", "killed", "destroyed")


@dataclass
class BrokerLost(Injector):
    """Stop or kill one of several brokers, or kill it and delete its data. It starts and catches up at the end."""

    broker: str
    how: str = "killed"
    """One of WAYS."""

    async def before(self, on: System) -> dict[str, Any]:
        embedded.require_known(on.stack, self.broker)
        if self.how not in WAYS:
            raise UserError(f"A broker is not lost by {self.how!r}: it is {', '.join(WAYS)}.")
        node = on.stack.broker_called(self.broker).node
        leaders = await _leaders(on)
        return {"led": [place for place, leader in leaders.items() if leader == node]}

    async def inject(self, on: System) -> None:
        if self.how == "stopped":
            await embedded.stop(on.stack, self.broker)
            return
        await embedded.kill(on.stack, self.broker)
        if self.how == "destroyed":
            shutil.rmtree(on.stack.broker_called(self.broker).data)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        node = on.stack.broker_called(self.broker).node
        leaders = await _leaders(on)
        return {"leaders moved": sum(leaders.get(place, -1) not in (node, -1) for place in before["led"])}

    async def heal(self, on: System) -> None:
        await embedded.start(on.stack, self.broker)


async def _leaders(on: System) -> dict[str, int]:
    """`topic-number` of each partition → the number of the broker that leads it; -1 if none does."""
    admin = AIOKafkaAdminClient(**on.stack.logins.of(rights.STACK).client)
    await admin.start()
    try:
        return {
            f"{topic['topic']}-{partition['partition']}": partition["leader"]
            for topic in await admin.describe_topics()
            for partition in topic["partitions"]
        }
    finally:
        await admin.close()
