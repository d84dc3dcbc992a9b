"""The result as one HTML file that needs no other: table, charts, numbers."""

from __future__ import annotations

import json
from html import escape
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
    return f"<table><tr><th>figure</th><th>measured</th><th>must</th><th>aim</th></tr>{rows}</table>"


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
    legend = _legend(colour, 24 + len(chart.rows) * ROW + 12) if len(pieces) > 1 else ""
    height = 24 + len(chart.rows) * ROW + (40 + 20 * (len(pieces) // 7) if legend else 0)
    return _svg(chart.title, height, "".join(drawn) + legend)


def _bar(
    name: str, row: dict[str, float] | object, y: int, scale: float, colour: dict[str, str], unit: str
) -> str:
    assert isinstance(row, dict)
    x = float(LABELS)
    drawn = [f'<text x="{LABELS - 8}" y="{y + 17}" text-anchor="end">{escape(name)}</text>']
    for piece, length in row.items():
        width = max(0.0, length) * scale
        tip = f"<title>{escape(piece)}: {number(length)} {escape(unit)}</title>"
        drawn.append(
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="24" fill="{colour[piece]}">{tip}</rect>'
        )
        x += width
    drawn.append(f'<text x="{x + 6:.1f}" y="{y + 17}">{number(sum(row.values()))} {escape(unit)}</text>')
    return "".join(drawn)


def lines(chart: Lines) -> str:
    """A chart of percentile curves as SVG; the height is logarithmic, for tails are long."""
    from math import log10

    colour = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(chart.curves)}
    samples = [sample for curve in chart.curves.values() for sample in curve if sample > 0]
    low, high = log10(min(samples)), log10(max(samples))
    top, bottom, span = 30, 270, max(high - low, 0.01)

    def height(sample: float) -> float:
        return bottom - (log10(max(sample, 10**low)) - low) / span * (bottom - top)

    drawn = [
        f'<text x="{LABELS - 8}" y="{height(10**level) + 4:.0f}" text-anchor="end">{number(10**level)} {escape(chart.unit)}</text>'
        f'<line x1="{LABELS}" x2="{WIDTH - 20}" y1="{height(10**level):.0f}" y2="{height(10**level):.0f}" stroke="currentColor" opacity=".15"/>'
        for level in (low, (low + high) / 2, high)
    ]
    for name, curve in chart.curves.items():
        thinned = curve[:: max(1, len(curve) // 300)]
        step = (WIDTH - LABELS - 20) / max(1, len(thinned) - 1)
        points = " ".join(
            f"{LABELS + index * step:.1f},{height(sample):.1f}" for index, sample in enumerate(thinned)
        )
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{colour[name]}" stroke-width="2"/>')
    drawn.append(
        f'<text x="{LABELS}" y="{bottom + 18}">fastest</text><text x="{WIDTH - 20}" y="{bottom + 18}" text-anchor="end">slowest</text>'
    )
    return _svg(chart.title, bottom + 60, "".join(drawn) + _legend(colour, bottom + 34))


def _legend(colour: dict[str, str], y: int) -> str:
    drawn, x = [], LABELS
    for name, fill in colour.items():
        if x > WIDTH - 120:
            x, y = LABELS, y + 20
        drawn.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{fill}"/>')
        drawn.append(f'<text x="{x + 17}" y="{y + 11}">{escape(name)}</text>')
        x += 32 + 8 * len(name)
    return "".join(drawn)


def _svg(title: str, height: int, inner: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f'<text x="0" y="14" style="font-weight:600">{escape(title)}</text>{inner}</svg>'
    )
