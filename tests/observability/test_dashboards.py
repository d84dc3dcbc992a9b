"""The dashboards of Grafana ask for what is measured, and have the form that Grafana reads."""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from tools.observability import dashboards, queries, render
from tools.observability.metrics_page import Entry, metrics_by_name

FOLDER = render.FOLDER / "dashboards"
DASHBOARDS = {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}
PAGE = metrics_by_name()
SCALES = yaml.safe_load((render.FOLDER / "scales.yaml").read_text())
Json = dict[str, Any]


def recorded() -> set[str]:
    """The series that the rules of each scale record: a dashboard shows either."""
    names = []
    for scale in SCALES:
        groups = yaml.safe_load((render.FOLDER / "rules" / f"{scale}.yaml").read_text())["groups"]
        names.append({rule["record"] for group in groups for rule in group["rules"] if "record" in rule})
    return set.intersection(*names)


def faults(dashboard: Json, page: Mapping[str, Entry] = PAGE) -> list[str]:
    return dashboards.faults_of(dashboard, page, recorded())


def panel(dashboard: Json, title: str) -> Json:
    (found,) = (each for each in dashboard["panels"] if each["title"] == title)
    assert isinstance(found, dict)
    return found


def test_there_is_one_of_the_business_of_a_service_of_the_messages_and_of_the_servers() -> None:
    assert DASHBOARDS.keys() == {"business", "service", "messaging", "servers"}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_each_query_of_a_dashboard_can_be_read_and_asks_for_what_is_measured(name: str) -> None:
    asked = [target["expr"] for each in DASHBOARDS[name]["panels"] for target in each.get("targets", ())]
    assert len(asked) >= 12
    assert faults(DASHBOARDS[name]) == []


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("sum(rate(chassis_events_consumed_total[$__rate_interval])", "no query: "),
        (
            "max(rate(shopfloor_orders_pending[$__rate_interval]))",
            "rate of the gauge shopfloor_orders_pending",
        ),
        ("sum(shopfloor_orders_placed_total)", "no rate of the counter shopfloor_orders_placed_total"),
        (
            "histogram_quantile(0.9, sum by (le) (shopfloor_order_age_seconds_bucket))",
            "no rate of the histogram shopfloor_order_age_seconds_bucket",
        ),
        ("max(shopfloor_orders_gone)", "no metric shopfloor_orders_gone"),
        ("max(slo:gone:ratio)", "no metric slo:gone:ratio"),
        (
            'max(shopfloor_orders_pending{outcome="CONFIRMED"})',
            "shopfloor_orders_pending has no label outcome",
        ),
        ("max by (outcome) (shopfloor_orders_pending)", "no label outcome to group by"),
    ],
)
def test_a_wrong_query_that_is_planted_in_a_dashboard_is_seen(query: str, fault: str) -> None:
    planted = copy.deepcopy(DASHBOARDS["business"])
    panel(planted, "Late")["targets"][0]["expr"] = query
    (found,) = faults(planted)
    assert found.startswith(f"Late: {fault}")


@pytest.mark.parametrize("metric", ["shopfloor_orders_late", "shopfloor_order_age_seconds"])
def test_a_metric_that_is_taken_off_the_page_is_missed_by_the_dashboard_that_shows_it(metric: str) -> None:
    page = {name: entry for name, entry in PAGE.items() if name != metric}
    found = faults(DASHBOARDS["business"], page)
    assert found
    assert all(f"no metric {metric}" in fault for fault in found)


def _other_unit(dashboard: Json) -> None:
    panel(dashboard, "Late")["fieldConfig"]["defaults"]["unit"] = "orders"


def _other_legend(dashboard: Json) -> None:
    panel(dashboard, "Late")["targets"][0]["legendFormat"] = "{{outcome}}"


def _other_place(dashboard: Json) -> None:
    panel(dashboard, "Late")["gridPos"]["x"] -= 1


def _other_mark(dashboard: Json) -> None:
    dashboard["annotations"]["list"][0]["expr"] = "ALARMS"


def _other_variable(dashboard: Json) -> None:
    dashboard["templating"]["list"].append({"name": "x", "definition": "label_values(gone, shop_service)"})


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_other_unit, "Late: no unit orders"),
        (_other_legend, "Late: the legend has outcome, and the result does not"),
        (_other_place, "PENDING lies on Late"),
        (_other_mark, "no metric ALARMS"),
        (_other_variable, "no metric gone"),
    ],
)
def test_a_fault_of_form_is_seen(change: Callable[[Json], None], fault: str) -> None:
    planted = copy.deepcopy(DASHBOARDS["business"])
    change(planted)
    assert faults(planted) == [fault]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_has_what_grafana_needs_to_show_it_anywhere(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["uid"] == f"shopfloor-{name}"
    ids = [each["id"] for each in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    assert dashboard["templating"]["list"][0] == {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
    }
    for each in dashboard["panels"]:
        place = each["gridPos"]
        assert place["x"] + place["w"] <= dashboards.COLUMNS
        for target in each.get("targets", ()):
            assert target["datasource"] == dashboards.SOURCE
        assert each["type"] == "row" or each["description"].endswith(".")


def test_the_age_of_orders_leads_to_traces_and_other_panels_ask_for_no_exemplars() -> None:
    asking = {
        each["title"]
        for dashboard in DASHBOARDS.values()
        for each in dashboard["panels"]
        if any(target["exemplar"] for target in each.get("targets", ()))
    }
    assert asking == {"Age of an order at its end"}


def test_the_dashboard_of_one_service_asks_for_that_service_alone() -> None:
    for each in DASHBOARDS["service"]["panels"]:
        for target in each.get("targets", ()):
            chosen = {one.matchers.get("shop_service") for one in queries.selectors(_plain(target["expr"]))}
            assert chosen == {"$service"}, each["title"]


def _plain(query: str) -> str:
    return query.replace(dashboards.INTERVAL, "5m")


def test_the_config_map_of_kubernetes_has_the_same_dashboards_and_the_label_of_the_sidecar() -> None:
    (drawn,) = yaml.safe_load_all((render.KUBERNETES / "dashboards.yaml").read_text())
    assert drawn["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert {name: json.loads(text) for name, text in drawn["data"].items()} == {
        f"{name}.json": dashboard for name, dashboard in DASHBOARDS.items()
    }
    # `kubectl apply` keeps the object in an annotation, which may have 256 KiB.
    assert len(json.dumps(drawn)) < 200_000
