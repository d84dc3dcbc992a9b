"""The report says what was found, whole and alone."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from shop_lab.benchmarks import baseline, pictures, plan
from shop_lab.benchmarks.benchmark import QUICK, Benchmark, there_and_back
from shop_lab.benchmarks.charts import Bars, Lines, bars, lines
from shop_lab.benchmarks.figure import Figure, Result
from shop_lab.benchmarks.figures import FIGURES
from shop_lab.benchmarks.figures.round_trips import ASKED
from shop_lab.benchmarks.page import write_page
from shop_lab.benchmarks.plan import Report
from shop_lab.benchmarks.table import print_report
from shop_lab.samples import percentiles, pooled
from shop_lab.testbed import Testbed
from shop_lab.values import Value
from shop_stack.errors import UserError


def report(value: Value) -> Report:
    charts = (
        Bars("CPU", "ms", {"shop": {"orders": 3.0, "a<b": 1.0}}),
        Lines("Time", "ms", {"shop": [1.0, 2.0, 9.0]}),
    )
    return Report(datetime.now(UTC), plan.machine(), QUICK, {"cpu": Result([value], {"raw": [1, 2]}, charts)})


def test_a_value_is_held_to_its_limits_from_the_right_side() -> None:
    cost, rate = Value("cost", 2.0, must=3, aim=1.5), Value("rate", 0.2, must=0.3, aim=0.6, most=False)
    assert (cost.holds, cost.aimed) == (True, False)
    assert (rate.holds, rate.aimed) == (False, False)
    assert report(cost).holds
    assert not report(rate).holds


def test_a_value_without_a_limit_holds_and_shows_a_dash(tmp_path: Path) -> None:
    shown = Value("half", 9.0, must=None, aim=3)
    assert (shown.holds, shown.aimed) == (True, False)
    assert report(shown).holds
    write_page(report(shown), tmp_path / "bench.html")
    assert "<td>–</td><td>≤ 3 ×</td>" in (tmp_path / "bench.html").read_text()


def test_the_page_needs_no_other_file(tmp_path: Path) -> None:
    write_page(report(Value("CPU", 2.0, 3, 1.5)), tmp_path / "bench.html")
    page = (tmp_path / "bench.html").read_text()
    assert "<svg" in page
    for elsewhere in ("src=", "href=", "@import", "url(", "<script"):
        assert elsewhere not in page


def test_charts_are_wellformed_whatever_a_piece_is_called() -> None:
    for chart in report(Value("CPU", 2.0, 3, 1.5)).results["cpu"].charts:
        ElementTree.fromstring(bars(chart) if isinstance(chart, Bars) else lines(chart))


def measured(figures: dict[str, Any]) -> dict[str, Any]:
    return {"figures": {name: {"values": [], "detail": detail} for name, detail in figures.items()}}


def test_the_charts_of_the_documents_are_written_from_what_the_bench_wrote(tmp_path: Path) -> None:
    by_part = {
        "baseline": {"postgres": 4.0, "kafka": 1.0, "clients": 2.0},
        "shop": {"orders": 2.0, "postgres": 1.5, "processor": 0.9, "customers": 0.8},
        "naive": {"orders": 30.0},
    }
    by_stage = {"middle fifth": {"placed": 10.0, "confirmed": 15.126}}
    report = measured({"cpu": {"by_part": by_part}, "latency": {"by_stage_ms": by_stage}})
    files = pictures.write_pictures(report, tmp_path)
    assert [file.name for file in files] == ["cpu-per-order.svg", "place-to-confirmed.svg"]
    cpu, stages = (ElementTree.parse(file).getroot() for file in files)
    pieces = [title.text for title in cpu.iter("{http://www.w3.org/2000/svg}title")]
    assert pieces == ["postgres: 4 ms", "kafka: 1 ms", "clients: 2 ms", "orders: 2 ms", "postgres: 1.5 ms"]
    assert "confirmed" in "".join(stages.itertext())
    kept = pictures.numbers(report)["figures"]
    assert kept["latency"]["detail"]["by_stage_ms"]["middle fifth"]["confirmed"] == 15.13


def test_a_figure_that_was_not_measured_has_no_chart(tmp_path: Path) -> None:
    assert pictures.write_pictures(measured({"relay": {}}), tmp_path) == []
    assert pictures.numbers(measured({"relay": {}})) == {"figures": {}}


def test_percentiles_are_medians_over_the_rounds() -> None:
    rounds = [[0.001 * n for n in range(1, 101)], [0.002 * n for n in range(1, 101)], [9.0] * 100]
    found = percentiles(rounds)
    assert found["p50"] == pytest.approx(102.0)
    assert found["p99"] == pytest.approx(200.0)
    assert len(pooled(rounds)) == 300


def test_a_figure_that_does_not_exist_is_named() -> None:
    assert [figure.name for figure in plan.chosen(["idle", "cpu"])] == ["cpu", "idle"]
    with pytest.raises(UserError, match="'speed'"):
        plan.chosen(["speed"])


def test_every_figure_has_a_name_of_its_own() -> None:
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)


@pytest.mark.parametrize(
    ("line", "database"),
    [
        ("2026-11-23 09:00:00.123 UTC [77] orders LOG:  duration: 0.1 ms  parse __s1: SELECT 1", "orders"),
        (
            "2026-11-23 09:00:00.123 UTC [77] payments LOG:  duration: 0.1 ms  execute __s1: SELECT 1",
            "payments",
        ),
        ("2026-11-23 09:00:00.123 UTC [77] orders LOG:  duration: 0.1 ms  statement: COMMIT;", "orders"),
        ("2026-11-23 09:00:00.123 UTC [77] orders LOG:  duration: 0.1 ms  bind __s1: SELECT 1", None),
        ("\tFROM somewhere", None),
    ],
)
def test_a_round_trip_is_counted_where_the_client_waits(line: str, database: str | None) -> None:
    found = ASKED.match(line)
    assert (found and found[1]) == database


async def _measured(_: Benchmark) -> Result:
    return Result([Value("cost", 2.0, must=3, aim=1.5)])


async def _stuck(_: Benchmark) -> Result:
    raise UserError("Only 3 of 9 orders [came] to their end.")


async def test_a_figure_that_fails_takes_no_other_with_it_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def build(_: Testbed) -> None: ...

    monkeypatch.setattr(baseline, "build", build)
    figures = [
        Figure("cpu", "CPU", _measured),
        Figure("scaling", "Scaling", _stuck),
        Figure("idle", "", _measured),
    ]
    found = await plan.carry_out(cast(Testbed, None), figures, QUICK, lambda _: None, lambda: None)
    assert found.results.keys() == {"cpu"}
    assert found.missing == {
        "scaling": "Only 3 of 9 orders [came] to their end.",
        "idle": "left out after that",
    }
    assert not found.holds
    assert found.as_json()["missing"] == found.missing
    write_page(found, tmp_path / "bench.html")
    assert "scaling was not measured: Only 3 of 9" in (tmp_path / "bench.html").read_text()
    console = Console(record=True, width=200, file=io.StringIO())
    print_report(found, console)
    assert "scaling was not measured: Only 3 of 9 orders [came]" in console.export_text()


def test_every_other_round_is_backwards() -> None:
    turns = [(1, "a"), (1, "b"), (2, "b"), (2, "a"), (3, "a"), (3, "b")]
    assert list(there_and_back(("a", "b"), 3)) == turns
