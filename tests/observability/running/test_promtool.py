"""promtool reads all rules, and the unit tests of alerts pass. Planted faults in the rules are caught."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tools.observability import render
from tools.observability.metrics_page import ROOT

PROMTOOL = ROOT / ".shop" / "prometheus" / "promtool"
TESTS = render.FOLDER / "tests"


def promtool(*arguments: str, folder: Path = render.FOLDER) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PROMTOOL), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def unit_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    return promtool(
        "test", "rules", *sorted(f"tests/{file.name}" for file in TESTS.glob("*.yaml")), folder=folder
    )


def test_promtool_reads_the_rules() -> None:
    done = promtool("check", "rules", "rules/days.yaml", "rules/minutes.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_tests_pass() -> None:
    done = unit_tests(render.FOLDER)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_unit_test_that_sees_it_fire() -> None:
    fired = {
        one["alertname"]
        for file in TESTS.glob("*.yaml")
        for test in yaml.safe_load(file.read_text())["tests"]
        for one in test.get("alert_rule_test", ())
        if one.get("exp_alerts")
    }
    by_queries = {
        name
        for file in TESTS.glob("*.yaml")
        for name in re.findall(
            r"labels: 'ALERTS\{alertname=\"(\w+)\",alertstate=\"firing\"", file.read_text()
        )
    }
    groups = yaml.safe_load((render.FOLDER / "rules/minutes.yaml").read_text())["groups"]
    assert fired | by_queries == {
        rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule
    }


@pytest.mark.parametrize(
    ("unit_test", "old", "new"),
    [
        ("objectives", "+ (max(last_over_time(shopfloor_orders_late[5m])) or vector(0))", ""),
        ("objectives", "(14.4 * 0.001)", "(14.4 * 0.1)"),
        ("objectives", ' and on () count(up{shop_service!=""})', ""),
        ("objectives", "and on (shop_service) max by (shop_service) (up) == 1", ""),
        (
            "symptoms",
            "chassis_outbox_oldest_unsent_seconds) > 15",
            "chassis_outbox_oldest_unsent_seconds) > 60",
        ),
        ("symptoms", '{dependency="kafka"}', '{dependency="karafka"}'),
        ("symptoms", "max by (invariant) (shopfloor_oracle_violations)", "min(shopfloor_oracle_violations)"),
        ("symptoms", 'or max by (shop_service) (up{shop_service="oracle"}) == 0', ""),
        ("symptoms", ',shop_service!="oracle"', ""),
    ],
)
def test_a_fault_that_is_planted_in_the_rules_is_caught(
    tmp_path: Path, unit_test: str, old: str, new: str
) -> None:
    for part in ("rules", "tests"):
        shutil.copytree(render.FOLDER / part, tmp_path / part)
    file = tmp_path / "rules" / "minutes.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    done = promtool("test", "rules", f"tests/{unit_test}.yaml", folder=tmp_path)
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr
