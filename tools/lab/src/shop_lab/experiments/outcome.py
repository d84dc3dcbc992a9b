"""The outcome of an experiment: measured numbers with their limits, and the oracle's verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from shop_lab.values import Value, limit
from shop_oracle.report import Verdict

Ruling = Literal["holds", "short", "vacuous"]


def at_most(name: str, value: float, bound: float, unit: str = "") -> Value:
    """A number with an upper limit."""
    return Value(name, value, bound, bound, unit=unit)


def at_least(name: str, value: float, bound: float, unit: str = "") -> Value:
    """A number with a lower limit."""
    return Value(name, value, bound, bound, most=False, unit=unit)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an experiment. `verdict` is None if no order was placed."""

    values: Sequence[Value]
    verdict: Verdict | None
    detail: Mapping[str, Any] = field(default_factory=dict)
    """The numbers that the values are computed from."""
    seen: Sequence[Value] = ()
    """How often the faults had an effect. If one of these numbers is too small, the other numbers prove nothing."""

    @property
    def ruling(self) -> Ruling:
        """`short`: a number is outside its limit, or the oracle found a violation; else `vacuous` or `holds`."""
        met = all(value.holds for value in self.values) and (self.verdict is None or self.verdict.holds)
        if not met:
            return "short"
        return "holds" if all(value.holds for value in self.seen) else "vacuous"

    @property
    def holds(self) -> bool:
        """Whether every number is within its limit, every fault had an effect, and the oracle found no violation."""
        return self.ruling == "holds"

    @property
    def reasons(self) -> list[str]:
        """The numbers outside their limits, one sentence each. The oracle's violations are reported separately."""
        failed = [value for value in (*self.values, *self.seen) if not value.holds]
        return [f"{value.name}: {value.value:g}, must be {limit(value, value.must)}" for value in failed]

    def as_json(self) -> dict[str, Any]:
        """The outcome as JSON."""
        return {
            "holds": self.holds,
            "ruling": self.ruling,
            "reasons": self.reasons,
            "values": [{**asdict(value), "holds": value.holds} for value in self.values],
            "seen": [{**asdict(value), "holds": value.holds} for value in self.seen],
            "detail": self.detail,
            "oracle": None if self.verdict is None else self.verdict.as_json(),
        }
