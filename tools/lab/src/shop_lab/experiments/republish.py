"""Kafka's volume is destroyed in the middle of business: the outboxes fill the topics again, and no order is lost."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping

from shop_lab.experiments import background_orders
from shop_lab.experiments.experiment import Experiment
from shop_lab.experiments.outcome import Outcome, at_least, at_most
from shop_oracle.evidence import Evidence
from shop_oracle.report import Verdict
from shop_stack import admin, embedded, parts
from shop_stack.parts import KAFKA, Stack
from shop_stack.target import Target

RATE = 25.0
IN_HAND_SECONDS = 31.0
"""A relay gives up a page that the broker does not take after 30 s. One read before `republish` holds later events of
keys whose earlier ones are sent again: were there topics, it would go out first."""


async def run(experiment: Experiment, orders: int) -> Outcome:
    """A third of the orders before, a third while Kafka is away and republishing, a third after."""
    testbed = experiment.testbed
    async with background_orders.running(testbed.target, RATE) as placed:

        async def until(share: float) -> None:
            while len(placed) < share * orders:
                experiment.log(f"{len(placed)} of {orders} orders")
                experiment.report_progress(len(placed) / orders)
                await asyncio.sleep(0.2)

        await until(1 / 3)
        experiment.log("destroying Kafka's volume")
        await lose_everything_in_kafka(testbed.stack)
        sent = await republish(testbed.target)
        experiment.log("waiting until no relay has an old page in hand")
        await asyncio.sleep(IN_HAND_SECONDS)
        await parts.declare_topics(testbed.stack)
        lost_at = len(placed)
        await until(1)
    evidence, verdict = await experiment.judge()
    detail = {"orders": len(placed), "placed before": lost_at, "events sent again": sent}
    return verdict_on(evidence, verdict, detail)


def verdict_on(evidence: Evidence, verdict: Verdict, detail: dict[str, object]) -> Outcome:
    """Hold what was seen against what must be."""
    told = {one.order_id for one in evidence.requests if one.operation == "place-order" and one.status == 202}
    ended = {order.id for order in evidence.ended_orders()}
    values = [
        at_least("orders that customers were told to be taken", len(told), 1),
        at_most("orders lost", len(told - ended), 0),
    ]
    return Outcome(values, verdict, detail)


async def lose_everything_in_kafka(stack: Stack) -> None:
    """Crash the broker, delete its data, start an empty one. It has no topics yet, so that nothing is sent."""
    await embedded.kill(stack, KAFKA)
    shutil.rmtree(stack.broker.data)
    await embedded.start(stack, KAFKA)


async def republish(target: Target) -> Mapping[str, int]:
    """What `shop republish` does, for every service: service → events that it sends again."""
    return {name: await asyncio.to_thread(admin.republish, target, name) for name in target.service_urls}
