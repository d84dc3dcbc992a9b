"""Which figures are measured, in which order, and what the benchmark was run on."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import psutil

from shop_lab.benchmarks import floor
from shop_lab.benchmarks.bench import Bench, Effort, in_turn
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.benchmarks.figures import FIGURES
from shop_lab.stage import Stage
from shop_stack.trouble import Trouble


@dataclass(frozen=True, slots=True)
class Report:
    """A whole benchmark: what was measured, on what."""

    began: datetime
    machine: dict[str, Any]
    effort: Effort
    results: dict[str, Result]
    """Name of a figure → its result."""
    missing: dict[str, str] = field(default_factory=dict)
    """Name of a figure that could not be measured → why."""

    @property
    def holds(self) -> bool:
        """Whether everything was measured, and is what it must be."""
        return not self.missing and all(
            value.holds for result in self.results.values() for value in result.values
        )

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "began": self.began.isoformat(),
            "machine": self.machine,
            "effort": asdict(self.effort),
            "figures": {
                name: {
                    "values": [{**asdict(value), "holds": value.holds} for value in result.values],
                    "detail": result.detail,
                }
                for name, result in self.results.items()
            },
            "missing": self.missing,
        }


def chosen(only: Sequence[str]) -> list[Figure]:
    """The figures of these names, all if there are none. Raises Trouble for a name that is no figure's."""
    known = {figure.name: figure for figure in FIGURES}
    for name in only:
        if name not in known:
            raise Trouble(f"There is no figure {name!r}: choose from {', '.join(known)}.")
    return [figure for figure in FIGURES if not only or figure.name in only]


def with_rounds(effort: Effort, rounds: int) -> Effort:
    """The same effort in another number of rounds."""
    return replace(effort, rounds=rounds)


def steps(figures: Sequence[Figure], effort: Effort) -> int:
    """How many times `done` will be called."""
    variants = {variant for figure in figures for variant in figure.needs}
    return len(figures) + (len(in_turn(variants)) * effort.rounds + 1 if variants else 0)


async def carry_out(
    stage: Stage,
    figures: Sequence[Figure],
    effort: Effort,
    say: Callable[[str], None],
    done: Callable[[], None],
) -> Report:
    """Measure figures on a stage. After one that fails the stage is not what it was: the rest is left out, and told."""
    report = Report(datetime.now(UTC), machine(), effort, {})
    bench = Bench(stage, effort, say, done)
    say("building the floor")
    await floor.build(stage)
    await bench.run_loaded({variant for figure in figures for variant in figure.needs})
    for figure in figures:
        if report.missing:
            report.missing[figure.name] = "left out after that"
            continue
        say(figure.title)
        try:
            report.results[figure.name] = await figure.measure(bench)
        except Trouble as trouble:
            report.missing[figure.name] = str(trouble)
        done()
    return report


def machine() -> dict[str, Any]:
    """What a reader must know to compare two reports. The load is that of the last minute before the run."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }
