"""The definition of a figure: its numbers, their limits, and how they are measured."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shop_lab.benchmarks.benchmark import Benchmark
from shop_lab.benchmarks.charts import Bars, Lines
from shop_lab.values import Value


@dataclass(frozen=True, slots=True)
class Result:
    """The result of measuring a figure."""

    values: Sequence[Value]
    detail: Mapping[str, Any] = field(default_factory=dict)
    """The numbers that the values are computed from."""
    charts: Sequence[Bars | Lines] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the benchmark."""

    name: str
    """The name for --only."""
    title: str
    measure: Callable[[Benchmark], Awaitable[Result]]
    needs: Sequence[str] = ()
    """Variants that must run under load before."""
