"""Charts as SVG: stacked bars, and curves of percentiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import log10

from shop_lab.values import number

COLOURS = (
    "#3b6ea5", "#d98032", "#5f9e6e", "#b55d60", "#857aab",
    "#8d7866", "#d095bf", "#8c8c8c", "#c1b37f", "#71aec0",
)  # fmt: skip
WIDTH, LABELS, ROW = 900, 130, 34
NUMBER_WIDTH = 28
"""The least width of a piece of a bar that has its number in it."""


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart: one bar per row, of coloured pieces."""

    title: str
    unit: str
    rows: Mapping[str, Mapping[str, float]]
    """Row → piece → length."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A chart: curves over a share of samples from 0 to 1, such as latencies by percentile."""

    title: str
    unit: str
    curves: Mapping[str, Sequence[float]]
    """Curve → its samples, smallest first."""


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
        if width >= NUMBER_WIDTH:
            drawn.append(_number_in(x + width / 2, y + 17, number(length)))
        x += width
    drawn.append(_text(x + 6, y + 17, f"{number(sum(row.values()))} {unit}"))
    return "".join(drawn)


def lines(chart: Lines) -> str:
    """A chart of percentile curves as SVG. The height is logarithmic, because the slowest samples are far apart."""
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


def _number_in(x: float, y: float, text: str) -> str:
    # This style takes precedence over the page's style, which gives all texts the colour of the page.
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle" style="fill:#fff">{escape(text)}</text>'


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
