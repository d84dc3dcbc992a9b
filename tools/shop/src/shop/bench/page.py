"""The result as one HTML file that needs no other: table, charts, numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from math import log10
from pathlib import Path

from shop.bench.figure import Bars, Lines, Result, Value
from shop.bench.figures import FIGURES
from shop.bench.plan import Report
from shop.bench.table import limit, number

COLOURS = (
    "#3b6ea5", "#d98032", "#5f9e6e", "#b55d60", "#857aab",
    "#8d7866", "#d095bf", "#8c8c8c", "#c1b37f", "#71aec0",
)  # fmt: skip
WIDTH, LABELS, ROW = 900, 130, 34

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
    """Write the report for a browser."""
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


def bars(chart: Bars) -> str:
    """A chart of stacked bars as SVG."""
    pieces = list(dict.fromkeys(piece for row in chart.rows.values() for piece in row))
    colour = {piece: COLOURS[index % len(COLOURS)] for index, piece in enumerate(pieces)}
    longest = max((sum(row.values()) for row in chart.rows.values()), default=0) or 1
    scale = (WIDTH - LABELS - 110) / longest
    drawn = [
        _bar(name, row, 24 + index * ROW, scale, colour, chart.unit)
        for index, (name, row) in enumerate(chart.rows.items())
    ]
    end = 24 + len(chart.rows) * ROW
    if len(pieces) > 1:
        drawn.append(_legend(colour, end + 12))
        end += 40 + 20 * (len(pieces) // 7)
    return _svg(chart.title, end, "".join(drawn))


def _bar(
    name: str, row: Mapping[str, float], y: int, scale: float, colour: Mapping[str, str], unit: str
) -> str:
    x = float(LABELS)
    drawn = [_text(LABELS - 8, y + 17, name, "end")]
    for piece, length in row.items():
        width = max(0.0, length) * scale
        tip = f"<title>{escape(piece)}: {number(length)} {escape(unit)}</title>"
        box = f'x="{x:.1f}" y="{y}" width="{width:.1f}" height="24" fill="{colour[piece]}"'
        drawn.append(f"<rect {box}>{tip}</rect>")
        x += width
    drawn.append(_text(x + 6, y + 17, f"{number(sum(row.values()))} {unit}"))
    return "".join(drawn)


def lines(chart: Lines) -> str:
    """A chart of percentile curves as SVG; the height is logarithmic, for tails are long."""
    colour = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(chart.curves)}
    samples = [sample for curve in chart.curves.values() for sample in curve if sample > 0]
    low, high = log10(min(samples)), log10(max(samples))
    top, bottom, right = 30, 270, WIDTH - 20

    def height(sample: float) -> float:
        return bottom - (log10(max(sample, 10**low)) - low) / max(high - low, 0.01) * (bottom - top)

    drawn = [_text(LABELS, bottom + 18, "fastest"), _text(right, bottom + 18, "slowest", "end")]
    for level in (low, (low + high) / 2, high):
        y = height(10**level)
        drawn.append(_text(LABELS - 8, y + 4, f"{number(10**level)} {chart.unit}", "end"))
        drawn.append(f'<path d="M{LABELS} {y:.0f}H{right}" stroke="currentColor" opacity=".15"/>')
    for name, curve in chart.curves.items():
        thinned = curve[:: max(1, len(curve) // 300)]
        step = (right - LABELS) / max(1, len(thinned) - 1)
        points = (f"{LABELS + index * step:.1f},{height(sample):.1f}" for index, sample in enumerate(thinned))
        stroke = f'fill="none" stroke="{colour[name]}" stroke-width="2"'
        drawn.append(f'<polyline points="{" ".join(points)}" {stroke}/>')
    drawn.append(_legend(colour, bottom + 34))
    return _svg(chart.title, bottom + 60, "".join(drawn))


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'


def _legend(colour: dict[str, str], y: int) -> str:
    drawn, x = [], LABELS
    for name, fill in colour.items():
        if x > WIDTH - 120:
            x, y = LABELS, y + 20
        drawn.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{fill}"/>')
        drawn.append(_text(x + 17, y + 11, name))
        x += 32 + 8 * len(name)
    return "".join(drawn)


def _svg(title: str, height: int, inner: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f'<text x="0" y="14" style="font-weight:600">{escape(title)}</text>{inner}</svg>'
    )
