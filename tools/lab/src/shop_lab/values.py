"""A measured number with its limits, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass


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


def coloured(value: Value) -> str:
    """Green at the aim, yellow within what must be, red outside."""
    colour = "green" if value.aimed else "yellow" if value.holds else "red"
    return f"[{colour}]{number(value.value)} {value.unit}[/]"


def limit(value: Value, bound: float) -> str:
    return f"{'≤' if value.most else '≥'} {number(bound)} {value.unit}"


def number(value: float) -> str:
    """Three figures that matter."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
