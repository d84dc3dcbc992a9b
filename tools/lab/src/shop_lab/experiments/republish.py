"""Kafka's data is deleted under load. The outboxes must fill the topics again, and no order may be lost."""

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
from shop_stack.stack import KAFKA, Stack
from shop_stack.target import Target

RATE = 25.0
IN_HAND_SECONDS = 31.0
"""A relay gives up a page within 30 s without an acknowledgement. A page that it read before `republish` has later
events of keys whose earlier events are sent again. If the topics existed, this page would be sent first."""


async def run(experiment: Experiment, orders: int) -> Outcome:
    """A third of the orders is placed before, a third while Kafka has no data, a third after its topics are back."""
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
        await parts.provision_kafka(testbed.stack)
        lost_at = len(placed)
        await until(1)
    evidence, verdict = await experiment.judge()
    detail = {"orders": len(placed), "placed before": lost_at, "events sent again": sent}
    return verdict_on(evidence, verdict, detail)


def verdict_on(evidence: Evidence, verdict: Verdict, detail: dict[str, object]) -> Outcome:
    """Compare the results with their limits."""
    told = {one.order_id for one in evidence.requests if one.operation == "place-order" and one.status == 202}
    ended = {order.id for order in evidence.ended_orders()}
    values = [
        at_least("orders that customers were told to be taken", len(told), 1),
        at_most("orders lost", len(told - ended), 0),
    ]
    return Outcome(values, verdict, detail)


async def lose_everything_in_kafka(stack: Stack) -> None:
    """Kill the broker, delete its data, start an empty broker. It has no topics yet, so nothing can be sent."""
    await embedded.kill(stack, KAFKA)
    shutil.rmtree(stack.broker.data)
    await embedded.start(stack, KAFKA)


async def republish(target: Target) -> Mapping[str, int]:
    """Republish every service, as `shop republish` does. Returns service → events that it sends again."""
    return {name: await asyncio.to_thread(admin.republish, target, name) for name in target.service_urls}
