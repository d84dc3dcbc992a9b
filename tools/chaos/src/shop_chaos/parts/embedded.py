"""The parts of the embedded stack: processes of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from shop_chaos.parts.metrics import over_http
from shop_lab import replicas
from shop_lab.experiments.churn import Process
from shop_stack import embedded, hands, kafka_groups, parts, rights
from shop_stack.kafka_access import KafkaAccess
from shop_stack.stack import Stack


@dataclass(frozen=True)
class EmbeddedParts:
    """Processes of the embedded stack. The functions are those of PartControl."""

    stack: Stack

    async def running(self, part: str) -> frozenset[str]:
        embedded.require_known(self.stack, part)
        pid = self.stack.daemon(part).pid
        return frozenset() if pid is None else frozenset({str(pid)})

    async def is_ready(self, part: str) -> bool:
        return self.stack.daemon(part).pid is not None and await parts.is_ready(self.stack, part)

    async def kill(self, part: str) -> None:
        await embedded.kill(self.stack, part)

    async def stop(self, part: str) -> None:
        await embedded.stop(self.stack, part)

    async def start(self, part: str) -> None:
        await embedded.start(self.stack, part)

    async def freeze(self, part: str) -> None:
        embedded.require_known(self.stack, part)
        if (running := self.stack.daemon(part).process()) is not None:
            hands.pause_family(running)

    async def frozen(self, part: str) -> int:
        running = self.stack.daemon(part).process()
        return 0 if running is None else sum(map(hands.is_frozen, hands.family_of(running)))

    async def resume(self, part: str) -> None:
        if (running := self.stack.daemon(part).process()) is not None:
            hands.resume_family(running)

    async def is_member(self, service: str) -> bool:
        if service not in self.stack.services:
            return False
        login = self.stack.logins.of(rights.STACK)
        return bool(await kafka_groups.partitions_of(login, service, self._instance(service)))

    async def forget_member(self, service: str) -> None:
        login = self.stack.logins.of(rights.STACK)
        await kafka_groups.remove_static_member(login, service, self._instance(service))

    async def metrics(self, service: str) -> dict[str, str]:
        return await over_http(self.stack.management_url(service))

    def replicas(self, service: str, count: int) -> Sequence[Process]:
        return [one for one in replicas.beside(self.stack, count) if one.service == service]

    async def end_replicas(self, service: str, count: int) -> None:
        await asyncio.gather(*(one.stop() for one in self.replicas(service, count)))

    def login(self, service: str) -> KafkaAccess:
        return self.stack.logins.of(rights.LAB)

    def _instance(self, service: str) -> str:
        return f"{service}-{self.stack.deployment(service).slot}"
