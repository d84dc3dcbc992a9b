"""A probe of the chassis beside the same work with a bare Kafka client."""

from __future__ import annotations

from typing import Any

from shop_lab import probe_runner, scratch
from shop_lab.benchmarks.benchmark import Benchmark


async def beside_bare(bench: Benchmark, probe: str, **sizes: int) -> Any:
    """What the probe found, on a database and two topics of its own. `sizes` says how much it measures in a round."""
    async with scratch.database(bench.testbed) as database:
        return await probe_runner.run_probe(
            probe,
            database=database,
            bootstrap=bench.testbed.target.kafka,
            topic=await scratch.topic(bench.testbed, probe),
            bare_topic=await scratch.topic(bench.testbed, f"{probe}-bare"),
            rounds=bench.effort.rounds,
            **sizes,
        )
