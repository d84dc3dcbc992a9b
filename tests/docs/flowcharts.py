"""Reads the flowcharts of the pages: their arrows, and what stands in each of their boxes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

BLOCK = re.compile(r"^```mermaid\nflowchart [A-Z]+\n(.*?)^```", re.MULTILINE | re.DOTALL)
ARROW = re.compile(r'\s+(?:(?:--|-\.|==)\s*"([^"]*)"\s*(?:-->|\.->|==>)|-->|-\.->|==>)\s+')
NODE = re.compile(r"(\w+)\W")


@dataclass(frozen=True, slots=True)
class Arrow:
    """One arrow from a node to another. `label` is empty if nothing is written on it."""

    source: str
    label: str
    target: str


def flowcharts(page: str) -> list[str]:
    """The sources of all flowcharts of a page, without their first lines."""
    return BLOCK.findall(page)


def arrows(chart: str) -> set[Arrow]:
    """Every arrow of a chart. `a & b --> c & d` are four."""
    return {arrow for line in chart.splitlines() for arrow in _arrows_of(line.strip())}


def _arrows_of(line: str) -> Iterator[Arrow]:
    parts = ARROW.split(line)
    for place in range(0, len(parts) - 2, 2):
        left, label, right = parts[place : place + 3]
        for source, target in product(_nodes(left), _nodes(right)):
            yield Arrow(source, label or "", target)


def _nodes(text: str) -> list[str]:
    """The ids in `a & b["a label"]`."""
    found = []
    for part in re.sub(r'"[^"]*"', "", text).split("&"):
        match = NODE.match(part.strip() + " ")
        assert match, f"{part!r} is no node"
        found.append(match[1])
    return found


def boxes(chart: str) -> dict[str, set[str]]:
    """Subgraph → the ids of the nodes in it."""
    found: dict[str, set[str]] = {}
    box = ""
    for line in map(str.strip, chart.splitlines()):
        if line.startswith("subgraph "):
            match = NODE.match(line.removeprefix("subgraph "))
            assert match
            box = match[1]
            found[box] = set()
        elif line == "end":
            box = ""
        elif box:
            ends = {node for arrow in _arrows_of(line) for node in (arrow.source, arrow.target)}
            found[box] |= ends or set(_nodes(line))
    return found
