"""Which figures are measured, and in which order; and the report with the machine that it was measured on."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import psutil

from shop_lab.benchmarks import baseline
from shop_lab.benchmarks.benchmark import Benchmark, Effort, in_turn
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.benchmarks.figures import FIGURES
from shop_lab.testbed import Testbed
from shop_stack.errors import UserError


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a benchmark."""

    began: datetime
    machine: dict[str, Any]
    effort: Effort
    results: dict[str, Result]
    """Name of a figure → its result."""
    missing: dict[str, str] = field(default_factory=dict)
    """Name of a figure that could not be measured → why."""

    @property
    def holds(self) -> bool:
        """Whether every figure was measured and every value is within its `must`."""
        return not self.missing and all(
            value.holds for result in self.results.values() for value in result.values
        )

    def as_json(self) -> dict[str, Any]:
        """The report as JSON."""
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
    """The figures of these names; all if there are none. Raises UserError if a name is unknown."""
    known = {figure.name: figure for figure in FIGURES}
    for name in only:
        if name not in known:
            raise UserError(f"There is no figure {name!r}: choose from {', '.join(known)}.")
    return [figure for figure in FIGURES if not only or figure.name in only]


def with_rounds(effort: Effort, rounds: int) -> Effort:
    """The same amount of work with another number of rounds."""
    return replace(effort, rounds=rounds)


def steps(figures: Sequence[Figure], effort: Effort) -> int:
    """How many times `done` is called."""
    variants = {variant for figure in figures for variant in figure.needs}
    return len(figures) + (len(in_turn(variants)) * effort.rounds + 1 if variants else 0)


async def carry_out(
    testbed: Testbed,
    figures: Sequence[Figure],
    effort: Effort,
    log: Callable[[str], None],
    done: Callable[[], None],
) -> Report:
    """Measure figures on a testbed. If one fails, the rest is reported as missing, because the testbed has changed."""
    report = Report(datetime.now(UTC), machine(), effort, {})
    bench = Benchmark(testbed, effort, log, done)
    log("building the baseline")
    await baseline.build(testbed)
    await bench.run_loaded({variant for figure in figures for variant in figure.needs})
    for figure in figures:
        if report.missing:
            report.missing[figure.name] = "left out after that"
            continue
        log(figure.title)
        try:
            report.results[figure.name] = await figure.measure(bench)
        except UserError as error:
            report.missing[figure.name] = str(error)
        done()
    return report


def machine() -> dict[str, Any]:
    """The facts that are needed to compare two reports. The load is that of the minute before the run."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }
