"""What a figure is: a number, what it must be and should be, and what stands behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shop.bench.bench import Bench


@dataclass(frozen=True, slots=True)
class Value:
    """One number of a figure with its limits; `most` says whether they are upper ones."""

    name: str
    value: float
    must: float
    aim: float
    most: bool = True
    unit: str = "×"

    @property
    def holds(self) -> bool:
        """Whether it is what it must be."""
        return self.value <= self.must if self.most else self.value >= self.must

    @property
    def aimed(self) -> bool:
        """Whether it is what it should be."""
        return self.value <= self.aim if self.most else self.value >= self.aim


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart: one bar per row, of coloured pieces."""

    title: str
    unit: str
    rows: Mapping[str, Mapping[str, float]]
    """Row → piece → length."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A chart: curves over a share of samples from 0 to 1, such as latencies by percentile."""

    title: str
    unit: str
    curves: Mapping[str, Sequence[float]]
    """Curve → its samples, smallest first."""


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
    measure: Callable[[Bench], Awaitable[Result]]
    needs: Sequence[str] = ()
    """Variants that must have been run under load before."""
