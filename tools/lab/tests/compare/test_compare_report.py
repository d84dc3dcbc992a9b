"""A report has the values of the runs that count, and of no other."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from shop_lab.compare.drawing import write_pictures
from shop_lab.compare.figures import BROKEN, FAULTS, ROWS
from shop_lab.compare.page import page_of
from shop_lab.compare.plan import QUICK, planned
from shop_lab.compare.report import Report, Run
from shop_lab.compare.table import markdown_of, print_report

MACHINE = {"cores": 2, "load_before": 0.5}


def run(shape: str, cpu: float, complaint: str = "") -> Run:
    values = {"cpu_ms": cpu, "orders_per_second": 1000 / cpu}
    return Run(shape, "round 1", 0.7, values, {"cpu_ms": {"orders": cpu - 1, "postgres": 1.0}}, complaint)


def report(*runs: Run) -> Report:
    plan = planned(["monolith", "services"], ["cpu", "throughput"], QUICK)
    return Report(datetime(2026, 1, 1, tzinfo=UTC), 90.0, MACHINE, plan, runs)


def told(*runs: Run) -> dict[str, Any]:
    return report(*runs).as_json()


def test_a_value_is_the_median_of_its_rounds_with_their_spread() -> None:
    facts = told(run("monolith", 4.0), run("monolith", 9.0), run("monolith", 5.0))
    assert facts["values"]["cpu_ms"]["shapes"] == {
        "monolith": {"median": 5.0, "lowest": 4.0, "highest": 9.0, "runs": 3}
    }
    assert facts["pieces"]["cpu_ms"]["monolith"] == {"orders": 4.0, "postgres": 1.0}


def test_a_run_that_the_oracle_refuses_does_not_count() -> None:
    found = report(run("monolith", 4.0), run("monolith", 2.0, "the oracle: 2 stock"), run("services", 8.0))
    assert not found.holds
    facts = found.as_json()
    assert facts["values"]["cpu_ms"]["shapes"]["monolith"]["runs"] == 1
    assert facts["values"]["cpu_ms"]["shapes"]["monolith"]["median"] == 4.0
    assert facts["missing"] == ["monolith, round 1 does not count: the oracle: 2 stock"]
    assert [one["counts"] for one in facts["runs"]] == [True, False, True]


def test_a_report_without_a_run_proves_nothing() -> None:
    assert report(run("monolith", 4.0)).holds
    assert not report().holds


def test_the_table_has_a_dash_where_no_run_counts() -> None:
    lines = markdown_of(
        told(run("monolith", 4.0), run("monolith", 5.0), run("services", 8.0, "red"))
    ).splitlines()
    assert lines == [
        "| | monolith | services |",
        "|---|---:|---:|",
        "| orders that end, all at once, /s | 225 (200–250) | – |",
        "| CPU of an order, all at once, ms | 4.5 (4–5) | – |",
    ]


def test_the_terminal_shows_values_and_why_a_run_does_not_count() -> None:
    console = Console(record=True, width=160, file=io.StringIO())
    print_report(told(run("monolith", 4.0), run("services", 8.0, "order [b] lost")), console)
    shown = console.export_text()
    for part in ("CPU of an order", "services, round 1 does not count: order [b] lost", "load 0.5 before"):
        assert part in shown


def test_the_page_needs_no_other_file_and_escapes_what_it_is_told() -> None:
    page = page_of(told(run("monolith", 4.0), run("services", 8.0, "a<b")))
    assert "<svg" in page
    assert "a&lt;b" in page
    for elsewhere in ("src=", "href=", "@import", "url(", "<script", "a<b"):
        assert elsewhere not in page


def test_only_measured_values_have_charts_and_each_is_wellformed(tmp_path: Path) -> None:
    files = write_pictures(told(run("monolith", 4.0), run("services", 8.0)), tmp_path)
    assert [file.name for file in files] == ["throughput.svg", "cpu.svg"]
    for file in files:
        assert "monolith" in "".join(ElementTree.parse(file).getroot().itertext())


def test_the_chart_of_a_fault_parts_confirmed_orders_from_cancelled_ones(tmp_path: Path) -> None:
    values = {
        key: 40.0 if key.endswith("ended") else 30.0 for key, row in ROWS.items() if row.figure == "blast"
    }
    plan = planned(["monolith"], ["blast"], QUICK)
    runs = [Run("monolith", "blast", 0.1, values, {})]
    facts = Report(datetime(2026, 1, 1, tzinfo=UTC), 9.0, MACHINE, plan, runs).as_json()
    files = write_pictures(facts, tmp_path)
    assert len(files) == len(BROKEN) * len(FAULTS)
    pieces = [title.text for title in ElementTree.parse(files[0]).iter("{http://www.w3.org/2000/svg}title")]
    assert pieces == ["confirmed: 30 %", "cancelled: 10 %"]


def test_the_chart_of_a_partition_parts_ended_orders_from_waiting_ones(tmp_path: Path) -> None:
    values = {"cut_kafka_accepted": 100.0, "cut_kafka_ended": 25.0, "cut_kafka_confirmed": 0.0}
    plan = planned(["services"], ["partition"], QUICK)
    runs = [Run("services", "partition", 0.1, values, {})]
    facts = Report(datetime(2026, 1, 1, tzinfo=UTC), 9.0, MACHINE, plan, runs).as_json()
    (file,) = write_pictures(facts, tmp_path)
    pieces = [title.text for title in ElementTree.parse(file).iter("{http://www.w3.org/2000/svg}title")]
    assert (file.name, pieces) == ("partition-kafka.svg", ["ended: 25 %", "waiting: 75 %"])
