"""The two charts of docs/performance.md as SVG files: CPU per order by process, and place → confirmed by stage.

    python -m shop_lab.benchmarks.pictures .shop/report/bench.json docs/pictures

It also writes `figures.json`, the numbers of the charts. `tests/docs/test_charts.py` compares them with the page.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from shop_lab.benchmarks.benchmark import BASELINE, SHOP
from shop_lab.benchmarks.charts import Bars, bars
from shop_lab.cpu import APART

FIGURES = "figures.json"
LEFT_OUT = {*APART, "customers"}
"""Processes that do not belong to the cost of an order."""
ROWS = {BASELINE: "bare", SHOP: "shop"}
"""Variant → its name in the chart. The naive variant is left out, because the other bars would be too small to read."""
# A background of its own: the page and the reader's system may have different colour schemes.
STYLE = "<style>svg { background: #fff } text { font: 13px system-ui, sans-serif; fill: #1f2328 }</style>"

Report = Mapping[str, Any]
"""What `shop bench` wrote into bench.json."""


def cpu_per_order(figures: Report) -> Bars:
    """Milliseconds of CPU per order, by process: bare PostgreSQL and Kafka, and the shop. Raises KeyError."""
    by_part = figures["cpu"]["detail"]["by_part"]
    rows = {
        name: {part: ms for part, ms in by_part[variant].items() if part not in LEFT_OUT}
        for variant, name in ROWS.items()
    }
    return Bars("CPU per order, by process", "ms", rows)


def place_to_confirmed(figures: Report) -> Bars:
    """Milliseconds from the request to the confirmation, by the stage that the order waits for. Raises KeyError."""
    return Bars(
        "Place → confirmed, by the stage that the order waits for",
        "ms",
        figures["latency"]["detail"]["by_stage_ms"],
    )


CHARTS: Mapping[str, tuple[str, Callable[[Report], Bars]]] = {
    "cpu-per-order": ("cpu", cpu_per_order),
    "place-to-confirmed": ("latency", place_to_confirmed),
}
"""Name of a file → the figure that it needs, and its chart."""


def file_of(chart: Bars) -> str:
    """A chart as an SVG file that stands alone."""
    opening, _, rest = bars(chart).partition(">")
    return f'{opening} xmlns="http://www.w3.org/2000/svg">{STYLE}{rest}\n'


def write_pictures(report: Report, folder: Path) -> list[Path]:
    """Write the charts of a report into a folder. Returns the files. A figure that was not measured has none."""
    charts = {
        name: chart(report["figures"])
        for name, (figure, chart) in CHARTS.items()
        if figure in report["figures"]
    }
    files = []
    for name, chart in charts.items():
        file = folder / f"{name}.svg"
        file.write_text(file_of(chart), encoding="utf-8")
        files.append(file)
    return files


def numbers(report: Report) -> dict[str, Any]:
    """The numbers behind the charts, in the form of a report, to a hundredth of a millisecond."""
    details = {"cpu": "by_part", "latency": "by_stage_ms"}
    return {
        "figures": {
            figure: {"detail": {detail: _rounded(report["figures"][figure]["detail"][detail])}}
            for figure, detail in details.items()
            if figure in report["figures"]
        }
    }


def _rounded(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {name: {piece: round(ms, 2) for piece, ms in row.items()} for name, row in rows.items()}


def main() -> None:
    """Write the charts and their numbers from a bench.json."""
    parser = argparse.ArgumentParser(description="Write the charts of docs/performance.md.")
    parser.add_argument("report", type=Path, help="the bench.json that shop bench wrote")
    parser.add_argument("folder", type=Path, help="where the charts go, such as docs/pictures")
    arguments = parser.parse_args()
    report = json.loads(arguments.report.read_text())
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for file in write_pictures(report, arguments.folder):
        print(file)
    (arguments.folder / FIGURES).write_text(json.dumps(numbers(report), indent=2) + "\n")


if __name__ == "__main__":
    main()
