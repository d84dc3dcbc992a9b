"""The report as one self-contained HTML file: table, charts, numbers."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

from shop_lab.benchmarks.charts import Bars, bars, lines
from shop_lab.benchmarks.figure import Result
from shop_lab.benchmarks.figures import FIGURES
from shop_lab.benchmarks.plan import Report
from shop_lab.values import Value, limit, number

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
       color: #1f2328; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem }
table { border-collapse: collapse; width: 100% } th, td { padding: .35rem .6rem; border-bottom: 1px solid #d0d7de }
th { text-align: left } td + td, th + th { text-align: right }
.aimed { color: #1a7f37 } .holds { color: #9a6700 } .fails { color: #cf222e; font-weight: 600 }
.dim, svg text { fill: currentColor; font-size: 13px } .dim { color: #656d76 }
pre { background: #f6f8fa; padding: 1rem; overflow: auto; font-size: 13px } svg { width: 100%; height: auto }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3 } pre { background: #161b22 } th, td { border-color: #30363d }
  .aimed { color: #3fb950 } .holds { color: #d29922 } .fails { color: #f85149 } .dim { color: #8d96a0 }
}
"""


def write_page(report: Report, file: Path) -> None:
    """Write the report as HTML."""
    titles = {figure.name: figure.title for figure in FIGURES}
    sections = "".join(_section(titles[name], result) for name, result in report.results.items())
    machine = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in report.machine.items())
    file.write_text(
        f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Shopfloor: what an order costs</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style>
<h1>What an order costs</h1>
<p>Ratios to what PostgreSQL and Kafka cost by themselves, measured in one run on one machine.
docs/performance.md explains each figure.</p>
<p class="dim">{report.began:%Y-%m-%d %H:%M} UTC; {escape(machine)}; {report.effort.rounds} round(s) of
{report.effort.orders} orders, medians.</p>
{_table(report)}{sections}</html>
""",
        encoding="utf-8",
    )


def _table(report: Report) -> str:
    values = [value for result in report.results.values() for value in result.values]
    rows = "".join(
        f'<tr><td>{escape(value.name)}</td><td class="{_class(value)}">{number(value.value)} {escape(value.unit)}</td>'
        f"<td>{escape(limit(value, value.must))}</td><td>{escape(limit(value, value.aim))}</td></tr>"
        for value in values
    )
    missing = "".join(
        f'<p class="fails">{escape(name)} was not measured: {escape(why)}</p>'
        for name, why in report.missing.items()
    )
    head = "<tr><th>figure</th><th>measured</th><th>must</th><th>aim</th></tr>"
    return f"<table>{head}{rows}</table>{missing}"


def _class(value: Value) -> str:
    return "aimed" if value.aimed else "holds" if value.holds else "fails"


def _section(title: str, result: Result) -> str:
    charts = "".join(bars(chart) if isinstance(chart, Bars) else lines(chart) for chart in result.charts)
    detail = escape(json.dumps(result.detail, indent=2))
    return f"<h2>{escape(title)}</h2>{charts}<details><summary>numbers</summary><pre>{detail}</pre></details>"
