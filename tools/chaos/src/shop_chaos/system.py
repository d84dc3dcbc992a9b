"""The shop that the experiments of this process disturb."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shop_chaos.parts import ClusterParts, ComposeParts, EmbeddedParts, PartControl
from shop_lab.testbed import Testbed
from shop_stack import paths
from shop_stack.connect import TargetKind, chosen_kind, connect
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.stack import Stack
from shop_stack.target import Target


@dataclass(frozen=True)
class System:
    """A running shop: processes of this machine, or one that docker or kubectl reaches."""

    processes: Stack | None
    """The embedded stack; None if the shop runs in another way."""
    target: Target
    outside: PartControl | None = None
    """Its parts, if it is not the embedded stack."""

    @property
    def stack(self) -> Stack:
        """The embedded stack. Raises UserError if the shop runs in another way."""
        if self.processes is None:
            raise UserError(
                f"This needs a shop of processes, and not {self.target.name}: leave out --target."
            )
        return self.processes

    @property
    def state(self) -> Path:
        """The folder of the shop's own files, in which a fault keeps its counts."""
        return self.target.state if self.processes is None else self.processes.state

    @property
    def parts(self) -> PartControl:
        """What can be done to its parts."""
        return self.outside or EmbeddedParts(self.stack)

    @property
    def testbed(self) -> Testbed:
        """The same shop, as the measured runs of the lab use it."""
        return Testbed(self.stack, self.target)


@contextmanager
def running() -> Iterator[System]:
    """The shop in containers or on a cluster that runs now, for as long as the context lasts.

    Raises TargetMissing if there is none.
    """
    with connect() as target:
        yield System(None, target, _parts_of(chosen_kind(), target))


def without_addresses(kind: TargetKind) -> System:
    """A shop outside of which only the parts can be reached: enough to undo a fault, also while PostgreSQL is away."""
    nowhere = Target(
        kind, {}, {}, "", KafkaAccess(""), {}, Path(), paths.contracts(), paths.state_folder() / kind
    )
    return System(None, nowhere, _parts_of(kind, nowhere))


def _parts_of(kind: TargetKind, target: Target) -> PartControl:
    return ComposeParts(target) if kind is TargetKind.COMPOSE else ClusterParts(target)


_present: list[System] = []


def use(system: System | None) -> None:
    """Set the shop that the actions and probes of this process use. None: there is none any more."""
    _present[:] = [] if system is None else [system]


def current() -> System:
    """The shop that was set. Raises UserError if there is none."""
    if not _present:
        raise UserError("No shop is chosen: run experiments with `shop chaos run`, which starts one.")
    return _present[0]
