"""The charts of a comparison, drawn from its JSON.

python -m shop_lab.compare.drawing .shop/report/compare.json .shop/report/charts
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shop_lab.benchmarks.charts import Bars
from shop_lab.benchmarks.pictures import file_of
from shop_lab.compare.figures import BROKEN, CUTS, FAULTS, RATES, cut_name, fault_name, share_key

Report = Mapping[str, Any]


def charts(report: Report) -> dict[str, Bars]:
    """Name of a file → chart. A value that was not measured has none."""
    return {name: chart for name, chart in _all(report) if chart.rows}


def _all(report: Report) -> Iterator[tuple[str, Bars]]:
    yield "throughput", _of_value(report, "orders_per_second", "Orders per second, all at once", "/s")
    for name, key, title, unit in (
        ("cpu", "cpu_ms", "CPU of an order, by process", "ms"),
        ("bytes", "bytes_kb", "Written for an order, by server", "kB"),
        ("memory", "memory_mb", "Memory at rest, by process", "MB"),
    ):
        yield name, Bars(title, unit, report["pieces"].get(key, {}))
    for share in ("p50", "p99"):
        rows = {
            f"{shape}, {rate}/s": {share: ms}
            for rate in RATES
            for shape, ms in _medians(report, f"{share}_ms_at_{rate}").items()
        }
        yield f"latency-{share}", Bars(f"Place → end, {share}", "ms", rows)
    yield "start", _of_value(report, "start_seconds", "Start until ready", "s")
    for service in BROKEN:
        for fault, title in FAULTS.items():
            broken = fault_name(service, fault)
            yield f"blast-{service}-{fault}", _ended(report, broken, f"{title} of {service}")
    for cut, title in CUTS.items():
        yield f"partition-{cut}", _accepted(report, cut_name(cut), title)


def _of_value(report: Report, key: str, title: str, unit: str) -> Bars:
    return Bars(title, unit, {shape: {key: value} for shape, value in _medians(report, key).items()})


def _ended(report: Report, broken: str, title: str) -> Bars:
    """The orders that ended meanwhile: those that were confirmed, and the others."""
    ended = _medians(report, share_key(broken, "ended"))
    confirmed = _medians(report, share_key(broken, "confirmed"))
    rows = {
        shape: {"confirmed": confirmed[shape], "cancelled": share - confirmed[shape]}
        for shape, share in ended.items()
    }
    return Bars(f"{title[0].upper()}{title[1:]}: orders that end meanwhile", "%", rows)


def _accepted(report: Report, broken: str, title: str) -> Bars:
    """The orders that were accepted meanwhile: those that ended, and those that waited."""
    accepted = _medians(report, share_key(broken, "accepted"))
    ended = _medians(report, share_key(broken, "ended"))
    rows = {
        shape: {"ended": ended[shape], "waiting": max(0.0, share - ended[shape])}
        for shape, share in accepted.items()
    }
    return Bars(f"{title[0].upper()}{title[1:]}: orders that are accepted", "%", rows)


def _medians(report: Report, key: str) -> dict[str, float]:
    """Shape → median of a value."""
    shapes = report["values"].get(key, {"shapes": {}})["shapes"]
    return {shape: found["median"] for shape, found in shapes.items()}


def write_pictures(report: Report, folder: Path) -> list[Path]:
    """Write each chart into a file of its own. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, chart in charts(report).items():
        files.append(folder / f"{name}.svg")
        files[-1].write_text(file_of(chart), encoding="utf-8")
    return files


def main() -> None:
    """Write the charts of a compare.json."""
    parser = argparse.ArgumentParser(description="Write the charts of a comparison.")
    parser.add_argument("report", type=Path, help="the compare.json that shop compare wrote")
    parser.add_argument("folder", type=Path, help="where the charts go")
    given = parser.parse_args()
    for file in write_pictures(json.loads(given.report.read_text()), given.folder):
        print(file)


if __name__ == "__main__":
    main()
