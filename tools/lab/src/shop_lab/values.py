"""A measured number with its limits, and its text form."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Value:
    """One number of a figure with two limits: `must` and `aim`. They are upper limits if `most` is true, else lower."""

    name: str
    value: float
    must: float
    aim: float
    most: bool = True
    unit: str = "×"

    @property
    def holds(self) -> bool:
        """Whether the value is within `must`."""
        return self.value <= self.must if self.most else self.value >= self.must

    @property
    def aimed(self) -> bool:
        """Whether the value is within `aim`."""
        return self.value <= self.aim if self.most else self.value >= self.aim


def coloured(value: Value) -> str:
    """The value with a colour: green within `aim`, yellow within `must`, else red."""
    colour = "green" if value.aimed else "yellow" if value.holds else "red"
    return f"[{colour}]{number(value.value)} {value.unit}[/]"


def limit(value: Value, bound: float) -> str:
    return f"{'≤' if value.most else '≥'} {number(bound)} {value.unit}"


def number(value: float) -> str:
    """The number with three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
