"""Dashboards for Grafana, rendered from deploy/observability/dashboards.yaml, and what can be wrong with one.

The source has what a person decides: titles, units, sentences, queries. Grafana's words and the places of the panels
are added here. A dashboard chooses its Prometheus by the variable `datasource`, so it can be imported everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Set
from itertools import combinations
from typing import Any

from tools.observability import queries
from tools.observability.metrics_page import Entry

Json = dict[str, Any]
TAG = "shopfloor"
ALERTS = "ALERTS"
"""The series in which Prometheus keeps the state of alerts."""
SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
SIZES = {"stat": (4, 4), "timeseries": (8, 8)}
"""Kind of panel → its width and height on Grafana's grid."""
UNITS = frozenset({"short", "s", "percentunit", "ops", "reqps", "bytes", "bool"})
"""Units of Grafana: a name that it does not know would be printed behind each number."""
INTERVAL = "$__rate_interval"
"""Grafana replaces it by a window that has at least four scrapes."""
OPTIONS: Mapping[str, Json] = {
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"},
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
}


# --- Rendering --------------------------------------------------------------------------------------


def rendered(source: Mapping[str, Any]) -> dict[str, Json]:
    """The dashboards of the source by their names, as Grafana reads them."""
    return {name: _dashboard(name, wanted) for name, wanted in source.items()}


def text_of(dashboard: Json) -> str:
    """The file of a dashboard."""
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


def config_map(dashboards: Mapping[str, Json]) -> Json:
    """The object of Kubernetes that Grafana's sidecar looks for by its label."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "shopfloor-dashboards",
            "labels": {"grafana_dashboard": "1"},
            "annotations": {"grafana_folder": "Shopfloor"},
        },
        "data": {f"{name}.json": text_of(dashboard) for name, dashboard in dashboards.items()},
    }


def _dashboard(name: str, wanted: Mapping[str, Any]) -> Json:
    return {
        "uid": f"{TAG}-{name}",
        "title": f"Shopfloor: {wanted['title']}",
        "tags": [TAG],
        "schemaVersion": 41,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "links": [
            {
                "type": "dashboards",
                "title": "Shopfloor",
                "tags": [TAG],
                "asDropdown": True,
                "keepTime": True,
            }
        ],
        "annotations": {"list": [_firing_alerts()]},
        "templating": {"list": list(_variables(wanted.get("variable", {})))},
        "panels": list(_panels(wanted["rows"])),
    }


def _firing_alerts() -> Json:
    """A mark in each graph where an alert fires."""
    return {
        "name": "Alerts that fire",
        "datasource": SOURCE,
        "enable": True,
        "iconColor": "red",
        "expr": f'{ALERTS}{{alertstate="firing"}}',
        "titleFormat": "{{alertname}}",
    }


def _variables(wanted: Mapping[str, str]) -> Iterator[Json]:
    yield {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    for name, series in wanted.items():
        values = f"label_values({series}, shop_service)"
        yield {
            "name": name,
            "type": "query",
            "datasource": SOURCE,
            "definition": values,
            "query": {"query": values, "refId": "A"},
            "refresh": 2,
            "sort": 1,
        }


def _panels(rows: Mapping[str, Any]) -> Iterator[Json]:
    """All panels from the top down. Those of a row fill line after line."""
    number, y = 1, 0
    for title, wanted in rows.items():
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
        }
        number, y, x, tallest = number + 1, y + 1, 0, 0
        for each in wanted:
            width, height = SIZES[each.get("show", "timeseries")]
            if x + width > COLUMNS:
                y, x, tallest = y + tallest, 0, 0
            yield _panel(each, number, {"h": height, "w": width, "x": x, "y": y})
            number, x, tallest = number + 1, x + width, max(tallest, height)
        y += tallest


def _panel(wanted: Mapping[str, Any], number: int, place: Mapping[str, int]) -> Json:
    kind = wanted.get("show", "timeseries")
    defaults: Json = {"unit": wanted["unit"]}
    if kind == "timeseries":
        defaults["min"] = 0
    steps: list[Json] = [{"color": "green", "value": None}]
    if "red" in wanted:
        steps.append({"color": "red", "value": wanted["red"]})
    defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    return {
        "id": number,
        "type": kind,
        "title": wanted["title"],
        "description": wanted["about"],
        "datasource": SOURCE,
        "gridPos": dict(place),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": OPTIONS[kind],
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": SOURCE,
                "expr": expr,
                "legendFormat": legend,
                "exemplar": wanted.get("exemplars", False),
            }
            for place, (legend, expr) in enumerate(wanted["queries"].items())
        ],
    }


# --- Faults -----------------------------------------------------------------------------------------


def faults_of(dashboard: Json, page: Mapping[str, Entry], recorded: Set[str]) -> list[str]:
    """The faults of a dashboard: a query that cannot be read, a metric that does not exist, a fault of its form.

    `page` has the metrics by name, and `recorded` the series that rules record.
    """
    graphs = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    known = recorded | {ALERTS}
    faults = [
        fault for series in _asked_besides(dashboard) for fault in queries.faults_of(series, page, known)
    ]
    for panel in graphs:
        found = [fault for target in panel["targets"] for fault in _target_faults(target, page, known)]
        if (unit := panel["fieldConfig"]["defaults"]["unit"]) not in UNITS:
            found.append(f"no unit {unit}")
        faults += [f"{panel['title']}: {fault}" for fault in found]
    faults += [
        f"{one['title']} lies on {another['title']}"
        for one, another in combinations(dashboard["panels"], 2)
        if _overlap(one["gridPos"], another["gridPos"])
    ]
    return faults


def _asked_besides(dashboard: Json) -> Iterator[str]:
    """The queries of a dashboard that belong to no panel: those of its variables and of its marks."""
    for variable in dashboard["templating"]["list"]:
        if found := re.fullmatch(r"label_values\((.*), shop_service\)", variable.get("definition", "")):
            yield found[1]
    yield from (mark["expr"] for mark in dashboard["annotations"]["list"])


def _target_faults(target: Json, page: Mapping[str, Entry], recorded: Set[str]) -> list[str]:
    query = target["expr"].replace(INTERVAL, "5m")
    faults = queries.faults_of(query, page, recorded)
    if faults:
        return faults
    grouped = queries.grouped_by(query)
    faults += [
        f"the legend has {label}, and the result does not"
        for label in re.findall(r"{{(\w+)}}", target["legendFormat"])
        if label not in grouped
    ]
    return faults + queries.misuses(query, page)


def _overlap(one: Mapping[str, int], another: Mapping[str, int]) -> bool:
    return all(
        one[start] < another[start] + another[length] and another[start] < one[start] + one[length]
        for start, length in (("x", "w"), ("y", "h"))
    )
