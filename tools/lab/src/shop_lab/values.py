"""A measured number with its limits, and its text form."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Value:
    """One number of a figure with two limits: `must` and `aim`. They are upper limits if `most` is true, else lower.

    A limit that is None does not exist.
    """

    name: str
    value: float
    must: float | None
    aim: float | None
    most: bool = True
    unit: str = "×"

    @property
    def holds(self) -> bool:
        """Whether the value is within `must`."""
        return self._is_within(self.must)

    @property
    def aimed(self) -> bool:
        """Whether the value is within `aim`."""
        return self._is_within(self.aim)

    def _is_within(self, bound: float | None) -> bool:
        if bound is None:
            return True
        return self.value <= bound if self.most else self.value >= bound


def coloured(value: Value) -> str:
    """The value with a colour: green within `aim`, yellow within `must`, else red. Without limits it has no colour."""
    if value.must is None and value.aim is None:
        return f"{number(value.value)} {value.unit}"
    colour = "green" if value.aimed else "yellow" if value.holds else "red"
    return f"[{colour}]{number(value.value)} {value.unit}[/]"


def limit(value: Value, bound: float | None) -> str:
    """The text of one of the value's limits: "≤ 3 ×". A dash if there is none."""
    if bound is None:
        return "–"
    return f"{'≤' if value.most else '≥'} {number(bound)} {value.unit}"


def number(value: float) -> str:
    """The number with three significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
