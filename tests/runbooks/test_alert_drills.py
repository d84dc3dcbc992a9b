"""Each alert has a drill that sees it fire and resolve in a real Prometheus, and its runbook has the minutes."""

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.runbooks.drills.alerts.alarms import firing_in
from tests.runbooks.measured import PART, minutes_in, pages_of, with_minutes
from tests.runbooks.pages import alert_rules

DRILLS = Path(__file__).parent / "drills" / "alerts"
ALERTS = {rule["alert"] for rule in alert_rules()}
WITHOUT_A_DRILL: Mapping[str, str] = {}
"""Alert → why no drill sees it fire."""

NOT_YET_MEASURED: frozenset[str] = frozenset()
"""Alerts whose drill is written and has passed in no run yet. An alert that a run has measured must leave this list."""


def seen_by(sources: Iterable[str]) -> list[str]:
    """The alerts in the marks of drills: `@pytest.mark.alerts("A", "B")`."""
    return [
        str(ast.literal_eval(argument))
        for source in sources
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.AsyncFunctionDef)
        for mark in function.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.alerts"
        for argument in mark.args
    ]


def faults_of(seen: list[str], alerts: set[str], reasons: Mapping[str, str]) -> list[str]:
    """Alerts without a drill and without a reason, and what is said of alerts that need it not."""
    faults = [f"no drill sees {alert}, and no reason is stated" for alert in alerts - {*seen, *reasons}]
    faults += [f"{alert} is no alert" for alert in {*seen, *reasons} - alerts]
    faults += [f"{alert} has a drill, and a reason to have none" for alert in reasons.keys() & set(seen)]
    faults += [f"two drills measure {alert}" for alert in set(seen) if seen.count(alert) > 1]
    return sorted(faults)


def test_each_alert_has_a_drill_or_a_stated_reason() -> None:
    seen = seen_by(file.read_text() for file in sorted(DRILLS.glob("test_*.py")))
    assert len(ALERTS) >= 28
    assert faults_of(seen, ALERTS, WITHOUT_A_DRILL) == []


def test_an_alert_without_a_drill_is_seen() -> None:
    drill = '@pytest.mark.alerts("A", "B")\nasync def test_it(drill): ...\n'
    seen = seen_by([drill])
    assert faults_of(seen, {"A", "B"}, {}) == []
    assert faults_of(seen, {"A", "B", "C"}, {}) == ["no drill sees C, and no reason is stated"]
    assert faults_of(seen, {"A", "B", "C"}, {"C": "it needs a second machine"}) == []
    assert faults_of(seen, {"A", "B"}, {"B": "it needs time"}) == ["B has a drill, and a reason to have none"]
    assert faults_of(seen, {"A"}, {}) == ["B is no alert"]
    assert faults_of(seen_by([drill, drill]), {"A", "B"}, {}) == [
        "two drills measure A",
        "two drills measure B",
    ]
    assert seen_by([f"# {drill}"]) == []


@pytest.mark.parametrize("alert", sorted(ALERTS - WITHOUT_A_DRILL.keys()))
def test_the_runbook_of_an_alert_has_the_minutes_of_a_run(alert: str) -> None:
    (page,) = pages_of({alert: None})
    assert (alert in minutes_in(page.read_text())) is (alert not in NOT_YET_MEASURED)


def test_minutes_are_written_at_the_end_of_a_page_and_replace_older_ones() -> None:
    page = "# A page\n\n**It is over** when it is.\n"
    assert minutes_in(page) == {}
    once = with_minutes(page, {"ShopfloorB": (1.0, 2.0)})
    assert once.startswith(page)
    twice = with_minutes(once, {"ShopfloorA": (0.44, 10.0), "ShopfloorB": (1.5, 2.04)})
    assert minutes_in(twice) == {"ShopfloorA": (0.4, 10.0), "ShopfloorB": (1.5, 2.0)}
    assert twice.endswith("`ShopfloorA` 0.4 and 10.0; `ShopfloorB` 1.5 and 2.0.\n")
    assert twice.count(PART) == 1


def test_an_alert_fires_if_prometheus_says_so_and_a_ticket_of_an_objective_does_not_count() -> None:
    def alert(name: str, state: str, **labels: str) -> dict[str, object]:
        return {"state": state, "labels": {"alertname": name, **labels}}

    told = [
        alert("A", "firing"),
        alert("B", "pending"),
        alert("C", "firing", sloth_severity="ticket"),
        alert("D", "firing", sloth_severity="page"),
    ]
    assert firing_in(told) == {"A", "D"}
