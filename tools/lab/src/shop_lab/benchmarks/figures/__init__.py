"""All figures, in the order in which they are measured and reported."""

from shop_lab.benchmarks.figure import Figure
from shop_lab.benchmarks.figures import (
    catch_up,
    cpu,
    effects,
    growth,
    idle,
    latency,
    relay,
    round_trips,
    scaling,
    telemetry,
    throughput,
    visible,
)

FIGURES: tuple[Figure, ...] = (
    cpu.FIGURE,
    throughput.FIGURE,
    latency.FIGURE,
    relay.FIGURE,
    effects.FIGURE,
    visible.FIGURE,
    round_trips.FIGURE,
    catch_up.FIGURE,
    telemetry.FIGURE,
    scaling.FIGURE,
    growth.FIGURE,
    idle.FIGURE,
)
