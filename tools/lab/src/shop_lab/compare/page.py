"""The report as one HTML file that needs no other: table, charts, numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from shop_lab.benchmarks.charts import bars
from shop_lab.benchmarks.page import STYLE
from shop_lab.compare.drawing import charts
from shop_lab.compare.table import cell, circumstances, title


def page_of(report: Mapping[str, Any]) -> str:
    """The HTML of a report, which is given as its JSON."""
    shapes = report["shapes"]
    head = "".join(f"<th>{escape(name)}</th>" for name in shapes)
    rows = "".join(
        f"<tr><td>{escape(title(row))}</td>"
        + "".join(f"<td>{escape(cell(row, name))}</td>" for name in shapes)
        + "</tr>"
        for row in report["values"].values()
    )
    missing = "".join(f'<p class="fails">{escape(sentence)}</p>' for sentence in report["missing"])
    drawn = "".join(f"<p>{bars(chart)}</p>" for chart in charts(report).values())
    meanings = "; ".join(f"{name}: {groups}" for name, groups in shapes.items())
    return f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Shopfloor: architectures compared</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style>
<h1>Architectures compared</h1>
<p>The same services in each shape, measured in one run. A run counts only if the oracle found nothing.
docs/how-to/choose-a-shape.md explains the values.</p>
<p class="dim">{escape(report["began"])}, {report["minutes"]} minutes; {escape(circumstances(report))}</p>
<p class="dim">{escape(meanings)}</p>
<table><tr><th></th>{head}</tr>{rows}</table>{missing}{drawn}
<details><summary>numbers</summary><pre>{escape(json.dumps(report, indent=2))}</pre></details></html>
"""
