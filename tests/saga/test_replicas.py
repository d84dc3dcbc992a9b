"""Replicas that come, go, crash and are asked to end, and Kafka's data lost: counts and orders, no times.

`shop chaos run` tries the same at full length, with figures.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from shop_lab.experiments import background_orders, republish, shutdown
from shop_lab.experiments.churn import Churn
from shop_lab.experiments.shutdown import BATCH
from shop_lab.replicas import Replica
from shop_stack import parts
from shop_stack.ports import free_port

pytestmark = pytest.mark.long

ORDERS = 60


async def test_replicas_that_come_go_and_crash_cost_no_order(floor: Any) -> None:
    churn, served = Churn(crash_share=0.3), asyncio.Event()
    second = [Replica(floor.stack, name, free_port(), free_port()) for name in ("inventory", "payments")]

    async def serve() -> Any:
        placed = [*await floor.serve(floor.run(ORDERS))]
        while churn.counts["joined"] < 5:
            placed += await floor.serve(floor.run(ORDERS // 6))
        served.set()
        return placed

    async with AsyncExitStack() as ending:
        for replica in second:
            ending.push_async_callback(replica.stop)
        placed, *_ = await asyncio.gather(
            serve(), *(churn.come_and_go(replica, lambda: not served.is_set()) for replica in second)
        )
    await background_orders.restart_tracing(floor.stack, floor.target)
    evidence = await floor.assert_that_the_oracle_holds()
    assert {one.order_id for one in placed} <= evidence.orders.keys()
    assert churn.counts["left"] + churn.counts["crashed"] == churn.counts["joined"] >= 5


async def test_a_service_that_is_asked_to_end_fails_no_request_and_repeats_little(floor: Any) -> None:
    second = Replica(floor.stack, "orders", free_port(), free_port())
    async with AsyncExitStack() as ending:
        ending.push_async_callback(second.stop)
        await second.start()
        doors = {"orders": (floor.stack.ports.service("orders"), second.port)}
        management = {"orders": (floor.stack.ports.management("orders"), second.management_port)}
        async with shutdown.visited(floor.target, doors) as crowd:
            seen = await shutdown.end(floor.stack, "orders", management)
    assert sum(client.answers for client in crowd) > 0
    # A connection that no process had taken yet is reset by the kernel when the door closes, and its customer tries the
    # next one. libs/chassis/tests/test_accept_queue.py tests that accepted ones are answered.
    failures = {kind for client in crowd for kind in client.failures} - {"ConnectionResetError"}
    assert failures == set()
    assert seen.redelivered["orders"] <= BATCH
    await floor.assert_that_the_oracle_holds()


async def test_when_kafkas_data_is_lost_the_outboxes_fill_the_topics_again(floor: Any) -> None:
    await floor.serve(floor.run(ORDERS // 3))
    before = await floor.assert_that_the_oracle_holds()
    await republish.lose_everything_in_kafka(floor.stack)
    sent = await republish.republish(floor.target)
    await parts.provision_kafka(floor.stack)
    placed = await floor.serve(floor.run(ORDERS // 3))
    after = await floor.assert_that_the_oracle_holds()
    assert sum(sent.values()) == len(before.outbox)
    assert before.orders.keys() | {one.order_id for one in placed} <= after.orders.keys()
