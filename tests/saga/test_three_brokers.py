"""One of three brokers is lost, restarted or emptied under load: no order is lost, no effect is doubled.

Run by `make test-brokers` only: three brokers and five services take a minute to start.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from shop_stack import embedded, kafka_replicas, rights
from shop_stack.ports import BROKERS
from testkit.shops import running_shop

pytestmark = pytest.mark.skipif(
    os.environ.get("SHOP_BROKER_TESTS") != "1", reason="needs three brokers: run `make test-brokers`"
)
ORDERS = 60


@pytest.fixture(scope="module")
def shop(floor_of: Any) -> Iterator[Any]:
    with running_shop("brokers", brokers=len(BROKERS)) as (stack, target):
        yield floor_of(stack, target)


async def test_each_record_is_on_all_brokers(shop: Any) -> None:
    await shop.serve(shop.run(5))
    access = shop.stack.logins.of(rights.STACK)
    for node in range(1, len(BROKERS) + 1):
        await kafka_replicas.until_in_sync(access, node)


@pytest.mark.parametrize("broker", BROKERS)
async def test_a_broker_that_is_killed_and_started_again_costs_no_order(shop: Any, broker: str) -> None:
    placed = await shop.crash_while_serving([broker], ORDERS)
    evidence = await shop.assert_that_the_oracle_holds()
    assert len({one.order_id for one in placed} & evidence.orders.keys()) == ORDERS
    assert evidence.dead_letters == []


async def test_all_brokers_are_restarted_in_turn_while_orders_are_served(shop: Any) -> None:
    serving = asyncio.create_task(shop.serve(shop.run(2 * ORDERS), concurrency=4))
    restarted = [await embedded.restart(shop.stack, broker) for broker in BROKERS]
    placed = await serving
    evidence = await shop.assert_that_the_oracle_holds()
    assert len(restarted) == len(BROKERS)
    assert len({one.order_id for one in placed} & evidence.orders.keys()) == 2 * ORDERS
    assert evidence.dead_letters == []


async def test_a_broker_without_its_data_copies_it_from_the_others(shop: Any) -> None:
    await shop.serve(shop.run(5))
    lost, stopped = BROKERS[1:]
    await embedded.kill(shop.stack, lost)
    shutil.rmtree(shop.stack.broker_called(lost).data)
    await embedded.start(shop.stack, lost)  # it returns when all partitions are copied
    placed = await shop.crash_while_serving([stopped], ORDERS)  # now the copies are needed
    evidence = await shop.assert_that_the_oracle_holds()
    assert len({one.order_id for one in placed} & evidence.orders.keys()) == ORDERS
