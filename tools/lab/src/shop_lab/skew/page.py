"""The report of a run as one HTML file that needs no other."""

from __future__ import annotations

from html import escape
from pathlib import Path

from shop_lab.skew.cells import Cell
from shop_lab.skew.report import NO_WAY, Report, counts_of

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem;
       color: #1f2328; background: #fff }
h1 { font-size: 1.6rem } table { border-collapse: collapse; width: 100% }
th, td { padding: .35rem .6rem; border-bottom: 1px solid #d0d7de; text-align: left; vertical-align: top }
.n { text-align: right } .green { color: #1a7f37 } .vacuous { color: #9a6700 }
.red { color: #cf222e; font-weight: 600 } .dim { color: #656d76 }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3 } th, td { border-color: #30363d }
  .green { color: #3fb950 } .vacuous { color: #d29922 } .red { color: #f85149 } .dim { color: #8d96a0 }
}
"""
HEAD = (
    "<tr><th>service</th><th>N−1</th><th>N</th><th>question</th><th class=n>orders</th>"
    "<th class=n>N−1 → N</th><th class=n>N → N−1</th><th>verdict</th><th>reason</th></tr>"
)


def write_page(report: Report, file: Path) -> None:
    """Write the report as HTML."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page_of(report), encoding="utf-8")


def page_of(report: Report) -> str:
    """The HTML of a report."""
    rows = "".join(_row(cell, *report.releases[cell.service]) for cell in report.cells)
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Shopfloor: two releases together</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style>
<h1>Two releases together</h1>
<p>{escape(report.sentence)}</p>
<p class="dim">{report.began:%Y-%m-%d %H:%M} UTC, {report.seconds / 60:.1f} minutes. The counts are messages that one
release wrote and the other handled. {NO_WAY}: no message can cross in this direction.</p>
<table>{HEAD}{rows}</table></html>
"""


def _row(cell: Cell, old: str, new: str) -> str:
    to_new, to_old = counts_of(cell)
    texts = (cell.service, old, new, cell.question.value)
    numbers = (str(cell.orders), to_new, to_old)
    return (
        "<tr>"
        + "".join(f"<td>{escape(text)}</td>" for text in texts)
        + "".join(f'<td class="n">{number}</td>' for number in numbers)
        + f'<td class="{cell.ruling}">{cell.ruling}</td><td>{escape(cell.reason)}</td></tr>'
    )
