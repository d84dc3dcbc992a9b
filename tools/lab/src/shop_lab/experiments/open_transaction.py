"""A transaction stays open for long in the database of a busy relay. The relay must keep its speed and skip no row."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from shop_lab import probe_runner, scratch
from shop_lab.experiments.experiment import Experiment
from shop_lab.experiments.outcome import Outcome, at_least

SHARE = 0.9
EVERY_SECONDS = 10.0
BACKLOG = 20_000
TRANSACTIONS_PER_SECOND = 100.0
CALM_SHARE = 0.2
"""The relay is measured for this share of `minutes` before the open transaction, and again after it."""
OVERHEAD = 1.6
"""The run takes this many times as long as its measurements, because backlogs must be written, and read again."""


async def run(experiment: Experiment, minutes: float) -> Outcome:
    """Measure without, with and without the open transaction, on one stack.

    Raises UserError if a row is missing or out of order.
    """
    testbed, seconds = experiment.testbed, 60 * minutes
    experiment.log(f"a relay at work, a transaction open for {minutes:g} minutes of it")
    async with (
        scratch.database(testbed) as database,
        experiment.clock(OVERHEAD * seconds * (1 + 2 * CALM_SHARE)),
    ):
        found = await probe_runner.run_probe(
            "steady_relay",
            database=database,
            kafka=testbed.kafka,
            topic=await scratch.topic(testbed, "steady"),
            calm_seconds=CALM_SHARE * seconds,
            open_seconds=seconds,
            every_seconds=EVERY_SECONDS,
            backlog=BACKLOG,
            transactions_per_second=TRANSACTIONS_PER_SECOND,
        )
    return verdict_on(found)


def verdict_on(found: dict[str, Any]) -> Outcome:
    """Compare the results with their limits."""
    without = median([*found["before"], *found["after"]])
    with_it: Sequence[float] = found["open"]
    last = with_it[-max(1, len(with_it) // 4) :]
    values = [
        at_least("rows/s with a transaction open, of those without", median(with_it) / without, SHARE, "×"),
        at_least("the same in the last quarter of its time", median(last) / without, SHARE, "×"),
        at_least("rows written, and all of them on Kafka in the order of their keys", found["rows"], 1),
    ]
    detail = {name: [round(rate) for rate in found[name]] for name in ("before", "open", "after")}
    return Outcome(values, None, detail)
