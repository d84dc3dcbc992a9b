"""The process of a canary: a member of the service's consumer group that runs another release."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from shop_stack import handover, kafka_groups, migrations, parts, venvs
from shop_stack.deployed import Deployed, Deployment
from shop_stack.errors import UserError
from shop_stack.parts import READY_PATIENCE
from shop_stack.ports import free_port, http_status
from shop_stack.process import Daemon
from shop_stack.rights import STACK
from shop_stack.stack import Stack

SHARE_PATIENCE = 30.0
"""Seconds until its group has given it partitions: more than the session timeout (10 s)."""


@dataclass(frozen=True)
class Canary:
    """One process of a release beside the running one. It has ports of its own, and no request reaches it."""

    stack: Stack
    release: Deployed
    port: int = field(default_factory=free_port)
    management_port: int = field(default_factory=free_port)

    @property
    def service(self) -> str:
        return self.release.service

    @property
    def instance(self) -> str:
        """Its name in the consumer group."""
        return f"{self.service}-canary"

    @property
    def daemon(self) -> Daemon:
        """Its operating-system process. Its log is that of the service."""
        return handover.second_daemon(self.stack, self.service, handover.CANARY)

    async def start(self) -> None:
        """Build its environment, migrate, and start it. Returns when it has its share of the partitions.

        Raises UserError if it ends, or if it is not ready in time.
        """
        await venvs.ensure(self.release.project)
        await migrations.migrate(self.stack, self.release)
        environment = {
            **parts.service_environment(self.stack, self.service, Deployment(self.release)),
            "HTTP_PORT": str(self.port),
            "HTTP_MANAGEMENT_PORT": str(self.management_port),
            "KAFKA_GROUP_INSTANCE_ID": self.instance,
        }
        self.daemon.start(self.release.command, env=environment, cwd=self.stack.state)
        await self.daemon.until_ready(
            self._is_ready,
            READY_PATIENCE,
            ended=lambda: f"it ended right after its start ({parts.last_words(self.daemon)})",
            late=f"it was not ready after {READY_PATIENCE:.0f} s",
        )
        deadline = time.monotonic() + SHARE_PATIENCE
        while not await self.partitions():
            if time.monotonic() > deadline:
                raise UserError(f"it got no partition within {SHARE_PATIENCE:.0f} s")
            await asyncio.sleep(0.5)

    async def stop(self) -> None:
        """End it in order, and have the group divide its partitions at once."""
        await self.daemon.stop(patience=handover.END_SECONDS)
        await kafka_groups.remove_static_member(self.stack.logins.of(STACK), self.service, self.instance)

    async def partitions(self) -> frozenset[tuple[str, int]]:
        """The (topic, partition) pairs that its group has given to it."""
        return await kafka_groups.partitions_of(self.stack.logins.of(STACK), self.service, self.instance)

    async def _is_ready(self) -> bool:
        return await http_status(self.management_port, "/readyz?require=all") == 200
