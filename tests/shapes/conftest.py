"""A whole shop of each shape, started once for all tests of this folder. `make test` has the monolith alone."""

import os
from collections.abc import Iterator

import pytest

from shop_stack.shapes import Shape
from testkit.shops import running_shop
from tests.saga.floor import Floor

SHAPES = {"monolith": "monolith", "pairs": "orders+inventory | payments+notifications | analytics"}
WHOLE = os.environ.get("SHOP_SHAPE_TESTS") == "1"


@pytest.fixture(scope="package", params=SHAPES)
def floor(request: pytest.FixtureRequest) -> Iterator[Floor]:
    """One shop of this shape for all tests."""
    if request.param != "monolith" and not WHOLE:
        pytest.skip("needs a shop of its own: run `make test-shapes`")
    with running_shop(request.param, shape=Shape.parse(SHAPES[request.param])) as (stack, target):
        yield Floor(stack, target)


@pytest.fixture
def whole_run() -> None:
    """Only in `make test-shapes`: these tests take minutes."""
    if not WHOLE:
        pytest.skip("takes minutes: run `make test-shapes`")
