"""The result of a comparison: medians with their spread, of the runs that count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from statistics import median
from typing import Any

from shop_lab.compare.figures import ROWS
from shop_lab.compare.plan import SHAPES, Plan

DIGITS = 3
"""Digits after the point in the JSON."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one shape."""

    shape: str
    part: str
    """`round 1`, or a figure that is measured once: `blast`."""
    load: float
    """The load of the machine in the minute before the run."""
    values: Mapping[str, float]
    """Key of a row → value."""
    pieces: Mapping[str, Mapping[str, float]]
    """Key of a row → part of the shop → its piece of the value."""
    complaint: str = ""
    """Why the run does not count: what the oracle found, or what failed; empty if it counts."""

    def as_json(self) -> dict[str, Any]:
        """The run without its pieces."""
        return {
            "shape": self.shape,
            "part": self.part,
            "load_before": round(self.load, 2),
            "counts": not self.complaint,
            "complaint": self.complaint,
            "values": {key: round(value, DIGITS) for key, value in self.values.items()},
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All runs of a comparison."""

    began: datetime
    seconds: float
    machine: Mapping[str, Any]
    plan: Plan
    runs: Sequence[Run]

    @property
    def missing(self) -> list[str]:
        """One sentence for each run that does not count."""
        return [
            f"{run.shape}, {run.part} does not count: {run.complaint}" for run in self.runs if run.complaint
        ]

    @property
    def holds(self) -> bool:
        """Whether there are runs, and each of them counts."""
        return bool(self.runs) and not self.missing

    def as_json(self) -> dict[str, Any]:
        """The report as JSON: all other forms of it are made from this one."""
        rows = {key: row for key, row in ROWS.items() if row.figure in self.plan.figures}
        return {
            "began": self.began.isoformat(timespec="seconds"),
            "minutes": round(self.seconds / 60, 1),
            "machine": dict(self.machine),
            "effort": asdict(self.plan.effort),
            "holds": self.holds,
            "missing": self.missing,
            "shapes": {name: SHAPES[name].command for name in self.plan.shapes},
            "values": {key: {**asdict(row), "shapes": dict(self._spreads(key))} for key, row in rows.items()},
            "pieces": {key: pieces for key in rows if (pieces := dict(self._pieces(key)))},
            "runs": [run.as_json() for run in self.runs],
        }

    def _counted(self, shape: str, key: str) -> list[Run]:
        return [run for run in self.runs if run.shape == shape and not run.complaint and key in run.values]

    def _spreads(self, key: str) -> Iterator[tuple[str, dict[str, float]]]:
        """(shape, its median, lowest and highest value, and the number of runs). A shape without a run is left out."""
        for shape in self.plan.shapes:
            if values := [run.values[key] for run in self._counted(shape, key)]:
                yield (
                    shape,
                    {
                        "median": round(median(values), DIGITS),
                        "lowest": round(min(values), DIGITS),
                        "highest": round(max(values), DIGITS),
                        "runs": len(values),
                    },
                )

    def _pieces(self, key: str) -> Iterator[tuple[str, dict[str, float]]]:
        """(shape, part → the median of its pieces)."""
        for shape in self.plan.shapes:
            if found := [run.pieces[key] for run in self._counted(shape, key) if key in run.pieces]:
                yield shape, {part: round(median(run[part] for run in found), DIGITS) for part in found[0]}
