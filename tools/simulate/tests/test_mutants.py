"""A pattern that is taken away is found by a schedule, which is then made short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from shop_simulate.choices import Choice
from shop_simulate.run import Result, Simulation
from shop_simulate.shrink import shrink
from tools.simulate.tests import mutants

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEEDS = 100
"""The most schedules in which a mutant must be found."""


class Found(NamedTuple):
    """What a mutant violates, and the length of its schedule after it was made short."""

    plant: mutants.Plant
    invariant: int
    choices: int


FOUND: Sequence[Found] = (
)
