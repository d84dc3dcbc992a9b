"""A whole shop of each shape, started once for all tests of this folder. `make test` has the three monoliths alone."""

import os
from collections.abc import Iterator

import pytest

from shop_stack.shapes import CHOREOGRAPHED, ORCHESTRATED, SINGLE, Shape
from testkit.shops import running_shop
from tests.saga.floor import Floor

PAIRS = "orders+inventory | payments+notifications | analytics"
BESIDE = "orders+inventory+payments | notifications | analytics"
SHAPES = {
    "monolith": Shape.parse("monolith"),
    "pairs": Shape.parse(PAIRS),
    "orchestrated_monolith": Shape.parse("monolith", ORCHESTRATED),
    "orchestrated_pairs": Shape.parse(PAIRS, ORCHESTRATED),
    "orchestrated": Shape.parse("services", ORCHESTRATED),
    "single": Shape.parse("monolith", CHOREOGRAPHED, SINGLE),
    "single_beside_kafka": Shape.parse(BESIDE, CHOREOGRAPHED, SINGLE),
}
WHOLE = os.environ.get("SHOP_SHAPE_TESTS") == "1"


@pytest.fixture(scope="package", params=SHAPES)
def floor(request: pytest.FixtureRequest) -> Iterator[Floor]:
    """One shop of this shape for all tests."""
    if SHAPES[request.param].has_kafka and not WHOLE:
        pytest.skip("needs a shop of its own: run `make test-shapes`")
    with running_shop(request.param, shape=SHAPES[request.param]) as (stack, target):
        yield Floor(stack, target)


@pytest.fixture
def whole_run() -> None:
    """Only in `make test-shapes`: these tests take minutes."""
    if not WHOLE:
        pytest.skip("takes minutes: run `make test-shapes`")


@pytest.fixture
def grouped(floor: Floor) -> None:
    """Only shapes in which services share a process."""
    if floor.stack.shape.is_five_services:
        pytest.skip("each service has a process of its own")
