"""The parts of a shop in containers, by docker. A container is paused where a process would be frozen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from shop_chaos.parts.metrics import over_http
from shop_chaos.parts.outside import eventually, has_members
from shop_lab.experiments.churn import Process
from shop_stack.compose import docker
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.target import Target

REPLICA = "shopfloor-chaos"
"""The names of containers that are added begin with it."""


@dataclass(frozen=True)
class ComposeParts:
    """Containers of docker-compose.yml. The functions are those of PartControl."""

    target: Target

    async def running(self, part: str) -> frozenset[str]:
        up = [one["ID"] for one in containers(part) if one["State"] in ("running", "paused")]
        if not up:
            return frozenset()
        # A container that is started again keeps its id.
        return frozenset(docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}}", *up).splitlines())

    async def is_ready(self, part: str) -> bool:
        return is_healthy(part)

    async def kill(self, part: str) -> None:
        _each("kill", part, "running")

    async def stop(self, part: str) -> None:
        _each("stop", part, "running")

    async def start(self, part: str) -> None:
        _each("start", part, "exited", "created")
        await eventually(lambda: is_healthy(part), f"The container of {part} is not healthy")

    async def freeze(self, part: str) -> None:
        _each("pause", part, "running")

    async def frozen(self, part: str) -> int:
        return sum(one["State"] == "paused" for one in containers(part))

    async def resume(self, part: str) -> None:
        _each("unpause", part, "paused")

    async def is_member(self, service: str) -> bool:
        return service in self.target.service_urls and await has_members(self.target, service)

    async def forget_member(self, service: str) -> None:
        """A stopped container has left its group: its member has no fixed name."""

    async def metrics(self, service: str) -> dict[str, str]:
        return await over_http(self.target.management_urls[service])

    def replicas(self, service: str, count: int) -> Sequence[Process]:
        return [ContainerReplica(service, f"{REPLICA}-{service}-{number}") for number in range(count)]

    async def end_replicas(self, service: str, count: int) -> None:
        for one in self.replicas(service, count):
            await one.kill()

    def login(self, service: str) -> KafkaAccess:
        config = json.loads(docker("compose", "config", "--format", "json"))
        password = config["services"]["topics"]["environment"][f"{service.upper()}_KAFKA_PASSWORD"]
        return replace(self.target.kafka, username=service, password=password)


@dataclass(frozen=True)
class ContainerReplica:
    """One more container of a service. It has no published port: it consumes events, and gets no HTTP request."""

    service: str
    name: str

    async def start(self) -> None:
        """Start it and return when it is healthy."""
        docker("compose", "run", "--detach", "--no-deps", "--name", self.name, self.service)
        await eventually(self._is_healthy, f"The container {self.name} is not healthy")

    async def stop(self) -> None:
        """Stop it by an orderly shutdown, and remove it."""
        docker("stop", self.name)
        await self.kill()

    async def kill(self) -> None:
        """Kill and remove it. Without effect if there is none."""
        docker("rm", "--force", self.name)

    def _is_healthy(self) -> bool:
        return docker("inspect", "--format", "{{.State.Health.Status}}", self.name).strip() == "healthy"


def containers(part: str) -> list[dict[str, Any]]:
    """The containers of a part, without replicas. Raises UserError if it has none."""
    lines = docker("compose", "ps", "--all", "--format", "json").splitlines()
    found = [one for one in map(json.loads, lines) if not one["Name"].startswith(REPLICA)]
    of_part = [one for one in found if one["Service"] == part]
    if not of_part:
        raise UserError(
            f"There is no container of {part!r}: it is one of {', '.join(sorted({one['Service'] for one in found}))}."
        )
    return of_part


def is_healthy(part: str) -> bool:
    """Whether all containers of a part run, and their checks succeed. One without a check is healthy when it runs."""
    return all(one["State"] == "running" and one["Health"] in ("healthy", "") for one in containers(part))


def _each(command: str, part: str, *states: str) -> None:
    """Run a command of docker for the containers of a part that are in one of these states."""
    if ids := [one["ID"] for one in containers(part) if one["State"] in states]:
        docker(command, *ids)
