"""The shop that the experiments of this process disturb."""

from __future__ import annotations

from dataclasses import dataclass

from shop_lab.testbed import Testbed
from shop_stack.errors import UserError
from shop_stack.stack import Stack
from shop_stack.target import Target


@dataclass(frozen=True)
class System:
    """A running shop, and the processes that it consists of."""

    stack: Stack
    target: Target

    @property
    def testbed(self) -> Testbed:
        """The same shop, as the measured runs of the lab use it."""
        return Testbed(self.stack, self.target)


_present: list[System] = []


def use(system: System | None) -> None:
    """Set the shop that the actions and probes of this process use. None: there is none any more."""
    _present[:] = [] if system is None else [system]


def current() -> System:
    """The shop that was set. Raises UserError if there is none."""
    if not _present:
        raise UserError("No shop is chosen: run experiments with `shop chaos run`, which starts one.")
    return _present[0]
