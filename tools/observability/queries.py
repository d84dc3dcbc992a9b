"""Reads queries of Prometheus, by the parser promql-parser: which series they ask for, and whether these exist.

`misuses` finds queries that ask for what exists in a way that has no meaning, such as the rate of a gauge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any, NamedTuple

import promql_parser

from tools.observability.metrics_page import Entry

OF_THE_TARGET = frozenset({"instance", "job", "shop_service", "le", "__name__"})
"""Labels that each series of a service has, or that Prometheus makes."""
SUFFIXES = ("_bucket", "_sum", "_count")
OF_PROMETHEUS = frozenset({"up"})
OF_COUNTERS = frozenset({"rate", "irate", "increase", "resets"})
"""Functions that have a meaning for counters alone."""


class Selector(NamedTuple):
    """A series that a query asks for, with the labels by which it is chosen."""

    metric: str
    matchers: Mapping[str, str]


def parsed(query: str) -> Any:
    """The query as a tree. Raises ValueError with the reason."""
    return promql_parser.parse(query)


def selectors(query: str) -> list[Selector]:
    """All series that a query asks for. Raises ValueError if it is no query."""
    return [
        Selector(node.name or "", {matcher.name: matcher.value for matcher in node.matchers.matchers})
        for node in _nodes(parsed(query))
        if isinstance(node, promql_parser.VectorSelector)
    ]


def faults_of(query: str, page: Mapping[str, Entry], recorded: Set[str] = frozenset()) -> list[str]:
    """What is wrong with a query: it cannot be read, or a metric or a label of it does not exist.

    `page` has the metrics by name, and `recorded` the names that rules record.
    """
    try:
        nodes = list(_nodes(parsed(query)))
        asked = selectors(query)
    except ValueError as error:
        return [f"no query: {error}"]
    faults: list[str] = []
    allowed: set[str] = set(OF_THE_TARGET)
    for selector in asked:
        entry = entry_of(selector.metric, page)
        if entry is None and selector.metric not in recorded | OF_PROMETHEUS:
            faults.append(f"no metric {selector.metric}")
            continue
        labels = OF_THE_TARGET | (entry.labels if entry else selector.matchers.keys())
        allowed |= labels
        faults += [
            f"{selector.metric} has no label {name}" for name in selector.matchers if name not in labels
        ]
    if not faults and not any(selector.metric in recorded for selector in asked):
        grouped = {label for node in nodes for label in _grouped_by(node)}
        faults += [f"no label {name} to group by" for name in sorted(grouped - allowed)]
    return faults


def entry_of(metric: str, page: Mapping[str, Entry]) -> Entry | None:
    """The metric of a series: a histogram has series with other names."""
    found = page.get(metric)
    for suffix in SUFFIXES:
        if found is None and metric.endswith(suffix):
            found = page.get(metric.removesuffix(suffix))
    return found


def grouped_by(query: str) -> set[str]:
    """All labels by which a query groups. Raises ValueError if it is no query."""
    return {label for node in _nodes(parsed(query)) for label in _grouped_by(node)}


def misuses(query: str, page: Mapping[str, Entry]) -> list[str]:
    """Gauges whose rate is asked for, and counters that are shown as they are, which grow for ever.

    Raises ValueError if it is no query.
    """
    faults = []
    for metric, function in _used(parsed(query), ""):
        entry = entry_of(metric, page)
        if entry is not None and (entry.type == "gauge") is (function in OF_COUNTERS):
            used = function if entry.type == "gauge" else "no rate"
            faults.append(f"{used} of the {entry.type} {metric}")
    return faults


def _used(node: Any, function: str) -> Iterator[tuple[str, str]]:
    """Each series below a node, with the innermost function that is applied to it; empty without one."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name or "", function
    inside = node.func.name if isinstance(node, promql_parser.Call) else function
    for child in _children(node):
        yield from _used(child, inside)


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for child in _children(node):
        yield from _nodes(child)


def _children(node: Any) -> Iterator[Any]:
    children = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "param", "vector_selector")]
    for child in [*children, *(getattr(node, "args", None) or ())]:
        if isinstance(child, promql_parser.Expr):
            yield child


def _grouped_by(node: Any) -> Iterator[str]:
    modifier = getattr(node, "modifier", None)
    labels = getattr(modifier, "labels", None)
    if isinstance(node, promql_parser.AggregateExpr) and modifier is not None:
        yield from labels or ()
