"""What a figure is: a number, what it must be and should be, and what stands behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shop_lab.benchmarks.benchmark import Benchmark
from shop_lab.benchmarks.charts import Bars, Lines
from shop_lab.values import Value


@dataclass(frozen=True, slots=True)
class Result:
    """What came of measuring a figure."""

    values: Sequence[Value]
    detail: Mapping[str, Any] = field(default_factory=dict)
    """Numbers behind the values, for machines and the curious."""
    charts: Sequence[Bars | Lines] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that is measured."""

    name: str
    """For --only."""
    title: str
    measure: Callable[[Benchmark], Awaitable[Result]]
    needs: Sequence[str] = ()
    """Variants that must have been run under load before."""
