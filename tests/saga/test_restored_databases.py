"""The database of one service goes back to a time while customers order: the shop is whole again afterwards.

Run by `make test-restore` only: a shop with an archive and five restores take some minutes.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from shop_load.closed_loop import Placed
from shop_stack import archive, embedded
from shop_stack.loops import in_own_loop
from shop_stack.ports import SERVICES
from testkit import eventually
from testkit.shops import running_shop
from tests.runbooks.drills.shop import Shop

pytestmark = pytest.mark.skipif(
    os.environ.get("SHOP_RESTORE_TESTS") != "1",
    reason="needs a shop with an archive: run `make test-restore`",
)
ORDERS = 60


@pytest.fixture(scope="module")
def shop(floor_of: Any) -> Iterator[Any]:
    with running_shop("restore") as (stack, target):
        archive.switch_on(stack)
        in_own_loop(embedded.restart(stack, "postgres"))
        in_own_loop(archive.back_up(stack))
        yield floor_of(stack, target)


async def restored(shop: Any, service: str, to: datetime) -> dict[str, Any]:
    """Stop a service, and restore its database by the command. Returns what the command prints."""
    await embedded.stop(shop.stack, service)
    command = f".venv/bin/shop restore {service} --to {to.isoformat()} --json"
    output = await Shop(shop.stack, shop.target).bash(command)
    assert output.code == 0, output.text
    answer: dict[str, Any] = output.json
    return answer


@pytest.mark.parametrize("service", SERVICES)
async def test_a_database_that_goes_back_under_load_costs_no_order_and_doubles_no_effect(
    shop: Any, service: str
) -> None:
    run = shop.run(ORDERS)
    placed: list[Placed] = []
    serving = asyncio.create_task(shop.serve(run, placed.append, 4))

    async def are_placed(count: int) -> None:
        assert len(placed) >= count

    try:
        await eventually(lambda: are_placed(ORDERS // 3), 60)
        to = datetime.now(UTC)
        await eventually(lambda: are_placed(2 * ORDERS // 3), 60)
        answer = await restored(shop, service, to)
    finally:
        await serving
    evidence = await shop.assert_that_the_oracle_holds()

    assert answer["not_whole"] == []
    assert all(order.order_id in evidence.orders for order in placed)
    forgotten = {"analytics": 0}.get(service, 1)
    assert sum(answer["facts"].values()) >= forgotten, answer
    assert sum(answer["read_again"].values()) >= 1, answer
    print(json.dumps(answer))
