"""The rules of Prometheus are what their sources say, and ask for what is measured."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.observability import objectives, render
from tools.observability.metrics_page import ROOT, Entry, metrics_by_name
from tools.observability.queries import entry_of, faults_of, selectors

SCALES = yaml.safe_load((render.FOLDER / "scales.yaml").read_text())
PAGE = metrics_by_name()
SPEC = yaml.safe_load((render.FOLDER / "slo.yaml").read_text())
SOURCES = ("slo.yaml", "alerts.yaml", "scales.yaml", "dashboards.yaml")
Rule = Mapping[str, Any]


def rules_of(scale: str) -> list[Rule]:
    """The rules of a scale, as they are committed."""
    groups = yaml.safe_load((render.FOLDER / "rules" / f"{scale}.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts_of(scale: str) -> list[Rule]:
    return [rule for rule in rules_of(scale) if "alert" in rule]


def faults(rules: list[Rule], page: Mapping[str, Entry] = PAGE) -> list[str]:
    """What is wrong with the queries of these rules."""
    recorded = {rule["record"] for rule in rules if "record" in rule}
    return [fault for rule in rules for fault in faults_of(rule["expr"], page, recorded)]


def test_committed_files_are_what_would_be_rendered() -> None:
    assert render.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("slo.yaml", "objective: 99.9", "objective: 99.5"),
        ("alerts.yaml", "<<unsent_seconds>>", "1234"),
        ("scales.yaml", "burn: 14.4", "burn: 10"),
        ("dashboards.yaml", "max(shopfloor_orders_late)", "sum(shopfloor_orders_late)"),
    ],
)
def test_a_source_that_was_changed_and_not_rendered_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str
) -> None:
    for source in SOURCES:
        text = (render.FOLDER / source).read_text()
        assert source != name or old in text
        (tmp_path / source).write_text(text.replace(old, new) if source == name else text)
    committed = {file: file.read_text() for file in render.files()}
    monkeypatch.setattr(render, "FOLDER", tmp_path)
    rendered = {file.name: text for file, text in render.files().items()}
    changed = {file.name for file, text in committed.items() if rendered[file.name] != text}
    assert changed >= ({"business.json"} if name == "dashboards.yaml" else {"days.yaml"})


@pytest.mark.parametrize("scale", SCALES)
def test_each_query_can_be_read_and_asks_for_what_is_measured(scale: str) -> None:
    rules = rules_of(scale)
    assert len(rules) > 60
    assert faults(rules) == []


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("sum(rate(chassis_events_consumed_total[5m])", "no query: "),
        ("sum(rate(chassis_events_gone_total[5m]))", "no metric chassis_events_gone_total"),
        ('chassis_outbox_set_aside{kind="REFUSED"} > 0', "chassis_outbox_set_aside has no label kind"),
        ("max by (queue) (chassis_outbox_unsent) > 0", "no label queue to group by"),
        ('absent(shopfloor_gone{shop_service="orders"})', "no metric shopfloor_gone"),
        ("max_over_time(up[1h:1m]) - chassis_gone", "no metric chassis_gone"),
    ],
)
def test_a_planted_wrong_query_is_seen(query: str, fault: str) -> None:
    (found,) = faults([{"alert": "Planted", "expr": query}])
    assert found.startswith(fault)


def test_a_metric_that_is_taken_off_the_page_is_missed_by_the_rules_that_ask_for_it() -> None:
    page = {name: entry for name, entry in PAGE.items() if name != "shopfloor_orders_late"}
    assert set(faults(rules_of("days"), page)) == {"no metric shopfloor_orders_late"}


@pytest.mark.parametrize("scale", SCALES)
def test_each_metric_that_an_alert_needs_has_an_alert_for_its_absence(scale: str) -> None:
    watched = {rule["labels"]["metric"]: rule for rule in alerts_of(scale) if rule["alert"] == render.ABSENT}
    needed = {
        entry.name: entry
        for rule in rules_of(scale)
        for selector in selectors(rule["expr"])
        if (entry := entry_of(selector.metric, PAGE))
    }
    assert watched.keys() == needed.keys()
    for name, entry in needed.items():
        services = {one.matchers.get("shop_service") for one in selectors(watched[name]["expr"])} - {None}
        assert services == set(entry.services)


@pytest.mark.parametrize("scale", SCALES)
def test_each_alert_has_a_severity_a_sentence_and_a_runbook(scale: str) -> None:
    for rule in alerts_of(scale):
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert (ROOT / rule["annotations"]["runbook"]).is_file()


def test_both_scales_have_the_same_alerts_and_burn_rates() -> None:
    days, minutes = (alerts_of(scale) for scale in ("days", "minutes"))
    assert [rule["alert"] for rule in days] == [rule["alert"] for rule in minutes]
    assert [window["burn"] for window in SCALES["days"]["windows"]] == [
        window["burn"] for window in SCALES["minutes"]["windows"]
    ]
    assert SCALES["days"]["words"].keys() == SCALES["minutes"]["words"].keys()


@pytest.mark.parametrize("scale", SCALES)
def test_a_pair_of_windows_is_a_twelfth_or_less_of_the_next_one(scale: str) -> None:
    for pair in SCALES[scale]["windows"]:
        short, long, period = (
            objectives.seconds(each) for each in (pair["short"], pair["long"], SCALES[scale]["period"])
        )
        assert 3 * short <= long < period
        assert short >= 4 * objectives.seconds(SCALES["minutes"]["interval"])


@pytest.mark.parametrize("slo", SPEC["slos"], ids=lambda slo: slo["name"])
def test_an_objective_is_written_as_sloth_reads_it(slo: Mapping[str, Any]) -> None:
    assert SPEC["version"] == "prometheus/v1"
    assert slo.keys() == {"name", "objective", "description", "sli", "alerting"}
    assert 0 < slo["objective"] < 100
    assert slo["sli"]["events"].keys() == {"error_query", "total_query"}
    assert all("{{.window}}" in query for query in slo["sli"]["events"].values())
    assert slo["alerting"].keys() == {"name", "annotations", "page_alert", "ticket_alert"}


def windows_in(expression: str) -> Iterator[str]:
    yield from re.findall(r"ratio_rate(\d+[smhd])", expression)


def test_an_alert_fires_by_a_short_and_a_long_window_together() -> None:
    (page,) = (
        rule
        for rule in alerts_of("days")
        if rule["alert"] == "ShopfloorOrdersMissObjective" and rule["labels"]["sloth_severity"] == "page"
    )
    assert list(windows_in(page["expr"])) == ["5m", "1h", "30m", "6h"]
    assert "(14.4 * 0.001)" in page["expr"]
    assert page["labels"]["severity"] == "critical"
