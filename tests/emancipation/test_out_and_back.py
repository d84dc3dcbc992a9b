"""One module goes out of a monolith and back, without load. `make test-emancipation` has load and kills."""

from collections.abc import Iterator

import pytest

from shop_stack import embedded
from shop_stack.shapes import ORCHESTRATED, SAGAS, Shape
from shop_stack.stack import Stack
from shop_stack.target import embedded as target_of
from testkit.shops import running_shop
from tests.emancipation.command import emancipate
from tests.saga.floor import Floor

pytestmark = pytest.mark.long
ORDERS = 30


@pytest.fixture(scope="module", params=SAGAS)
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    with running_shop(f"out-{request.param}", shape=Shape.parse("monolith", request.param)) as (stack, _):
        yield stack


async def test_the_oracle_holds_for_orders_before_between_and_after_the_moves(stack: Stack) -> None:
    module = "inventory" if stack.shape.saga == ORCHESTRATED else "payments"
    floor = Floor(stack, target_of(stack.state))
    await floor.serve(floor.run(ORDERS))
    out = await emancipate(stack, module)
    assert out["saga"] == stack.shape.saga
    assert out["events_sent"] > 0
    assert out["rows_copied"] > 0
    floor.target = target_of(stack.state)
    assert floor.target.shape.group_of(module) == (module,)
    await floor.serve(floor.run(ORDERS))
    await floor.assert_that_the_oracle_holds()
    back = await emancipate(stack, module, "--back")
    assert back["rows_copied"] > out["rows_copied"]
    floor.target = target_of(stack.state)
    assert floor.target.shape == embedded.stack(stack.state).shape == stack.shape
    await floor.serve(floor.run(ORDERS))
    await floor.assert_that_the_oracle_holds()
