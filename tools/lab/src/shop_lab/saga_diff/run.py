"""Runs a shop of each saga, one after the other, with the same orders. The oracle judges each."""

from __future__ import annotations

from collections.abc import Callable

from shop_lab.saga_diff.reading import Saga, saga_of
from shop_lab.testbed import Testbed, fresh, stack_beside
from shop_load.closed_loop import Customers, serve_customers
from shop_load.plans import Scenario, plan_run
from shop_observe.history import History
from shop_observe.topics import declared_topics
from shop_oracle.gather import declared_subscriptions, gather
from shop_oracle.report import judge
from shop_stack import embedded
from shop_stack.errors import UserError
from shop_stack.shapes import SAGAS, Shape

PORTS_ABOVE = 700
"""The distance between the ports of these stacks and the shop's, so that a running shop is not disturbed."""
WARM_UP = 20
"""Orders before those that count: Kafka's JVM compiles its hot code, and connections are opened."""
RATE = 5.0
"""Orders per second: few enough that no order waits for another one."""
REST_SECONDS = 120.0
"""The longest time, in seconds, until the shop is at rest after the orders."""


async def both_sagas(shape: Shape, orders: int, log: Callable[[str], None]) -> dict[str, Saga]:
    """Saga → what was found. Raises UserError if the oracle finds a fault."""
    return {saga: await _one(shape.with_saga(saga), orders, log) for saga in SAGAS}


async def _one(shape: Shape, orders: int, log: Callable[[str], None]) -> Saga:
    stack = stack_beside(f"saga-{shape.saga}", PORTS_ABOVE, shape=shape)
    log(f"{shape.saga}: starting {shape}")
    async with fresh(stack, embedded.silent) as testbed:
        return await _measured(testbed, orders, lambda step: log(f"{shape.saga}: {step}"))


async def _measured(testbed: Testbed, orders: int, log: Callable[[str], None]) -> Saga:
    target = testbed.target
    run = plan_run("saga-diff", WARM_UP + orders, seed=1, only=Scenario.CONFIRMED)
    log(f"{len(run.plans)} orders")
    with History(target.state / "history", run.name) as history:
        placed = await serve_customers(target, run, history, Customers(concurrency=2, rate=RATE))
    evidence = await gather(target, REST_SECONDS, log)
    if complaint := judge(evidence).complaint:
        raise UserError(f"The oracle does not accept the orders, so they are not compared: {complaint}")
    topics = declared_topics(target.contracts)
    ids = [one.order_id for one in placed[WARM_UP:]]
    return saga_of(evidence.events(), ids, topics, declared_subscriptions(target.contracts, topics))
