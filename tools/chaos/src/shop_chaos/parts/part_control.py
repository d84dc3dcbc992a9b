"""The functions that each kind of shop has for its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shop_lab.experiments.churn import Process
from shop_stack.kafka_access import KafkaAccess


class PartControl(Protocol):
    """Ends, suspends and starts the parts of a running shop. A part is a service, postgres, kafka or processor.

    Each function raises UserError if there is no such part, or with the message of docker or kubectl.
    """

    async def running(self, part: str) -> frozenset[str]:
        """Ids of the processes, containers or pods that run now. One that is started again has another id."""

    async def is_ready(self, part: str) -> bool:
        """Whether all of the part can do its work now."""

    async def kill(self, part: str) -> None:
        """Kill all of a part, as `kill -9` does. On a cluster it starts again by itself."""

    async def stop(self, part: str) -> None:
        """Stop all of a part by an orderly shutdown. It stays away until `start`."""

    async def start(self, part: str) -> None:
        """Start a part that was killed or stopped, and return when it is ready. Without effect if it is ready."""

    async def freeze(self, part: str) -> None:
        """Suspend all processes of a part."""

    async def frozen(self, part: str) -> int:
        """How many processes or containers of a part are suspended now."""

    async def resume(self, part: str) -> None:
        """Undo `freeze`. Without effect if it is not suspended."""

    async def is_member(self, service: str) -> bool:
        """Whether a process of the service is a member of its consumer group."""

    async def forget_member(self, service: str) -> None:
        """Remove the member of a service that has ended, so that its group is empty."""

    async def metrics(self, service: str) -> dict[str, str]:
        """Place of each process that answers → its metrics as text."""

    def replicas(self, service: str, count: int) -> Sequence[Process]:
        """`count` more processes of a service. None of them is started. The same call gives the same ones."""

    async def end_replicas(self, service: str, count: int) -> None:
        """End those that are left. It may be called by another process than the one that started them."""

    def login(self, service: str) -> KafkaAccess:
        """A login that may write the service's topics, and set the offsets of its group."""
