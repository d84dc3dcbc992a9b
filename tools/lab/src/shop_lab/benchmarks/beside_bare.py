"""Runs a probe that compares the chassis with a plain Kafka client."""

from __future__ import annotations

from typing import Any

from shop_lab import probe_runner, scratch
from shop_lab.benchmarks.benchmark import Benchmark


async def beside_bare(bench: Benchmark, probe: str, **sizes: int) -> Any:
    """Run the probe on a new database and two new topics. Returns its result. `sizes` is the work of a round."""
    async with scratch.database(bench.testbed) as database:
        return await probe_runner.run_probe(
            probe,
            database=database,
            kafka=bench.testbed.kafka,
            topic=await scratch.topic(bench.testbed, probe),
            bare_topic=await scratch.topic(bench.testbed, f"{probe}-bare"),
            rounds=bench.effort.rounds,
            **sizes,
        )
