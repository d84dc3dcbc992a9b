"""All figures, in the order in which they are measured and told."""

from shop.bench.figure import Figure
from shop.bench.figures import cpu, throughput

FIGURES: tuple[Figure, ...] = (cpu.FIGURE, throughput.FIGURE)
