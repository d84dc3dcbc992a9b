"""The verdict of each trial, and of a whole run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.crash_points.points import Point
from tests.crash_points.subject import Trial
from tests.crash_points.unreached import reason_of


class Outcome(StrEnum):
    """What a trial has shown."""

    HOLDS = "holds"
    """The strike was seen, and the oracle found no violation after it."""
    VIOLATED = "violated"
    """The oracle found a violation, and the trial is one of the smallest group of trials that shows it."""
    VACUOUS = "vacuous"
    """The process did not reach the point, or the group could not be judged. So nothing was shown."""


@dataclass(frozen=True, slots=True)
class Run:
    """A trial that was carried out."""

    trial: Trial
    outcome: Outcome
    found: Sequence[str] = ()
    """The oracle's violations, or why the group could not be judged, one sentence each."""


@dataclass(frozen=True, slots=True)
class Unreached:
    """A point that a service never reached under this load, and why."""

    point: Point
    reason: str


@dataclass(slots=True)
class Report:
    """The result of all trials."""

    seed: int
    seconds: float = 0.0
    points: int = 0
    """The points of the chassis."""
    reached: dict[str, int] = field(default_factory=dict)
    """Service → how many points it reached."""
    unreached: dict[str, list[Unreached]] = field(default_factory=dict)
    """Service whose points are tried one and all → those that it did not reach."""
    runs: list[Run] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        """Outcome → number of trials."""
        return Counter(run.outcome.value for run in self.runs)

    @property
    def holds(self) -> bool:
        """Whether there were trials, and each of them holds."""
        return bool(self.runs) and all(run.outcome is Outcome.HOLDS for run in self.runs)

    def as_json(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "points": self.points,
            "reached": self.reached,
            "unreached": {
                service: [
                    {"point": each.point.name, "code": each.point.code, "reason": each.reason}
                    for each in points
                ]
                for service, points in self.unreached.items()
            },
            "counts": dict(self.counts),
            "runs": [
                {"trial": run.trial.title, "outcome": run.outcome, "found": list(run.found)}
                for run in self.runs
            ],
        }


def unreached_of(points: dict[str, Point], reached: set[str]) -> list[Unreached]:
    """The points that are not among `reached`, each with its reason."""
    left = [point for name, point in sorted(points.items()) if name not in reached]
    return [Unreached(point, reason_of(point)) for point in left]
