"""`shop lab`: pages with front matter, what a check looks at, and the sentence with what is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shop.cli import app
from shop.commands import lab as command
from shop.labs import parts
from shop.labs.checks import changed, orders, runs, waited
from shop.labs.evidence import Evidence, PlacedOrder, Start
from shop.labs.judge import missing
from shop.labs.pages import Lab, find, labs
from shop_stack.connect import TargetKind
from shop_stack.errors import UserError

PAGE = """---
goal: know
minutes: 5
needs: [embedded]
check:
  - orders 2
  - shop check --wait 5s
---
# Lab 07: A title

Goal: know.
"""
BEFORE = {"process/payments": "10@100.0", "process/orders": "11@100.0"}
NOW = {"process/payments": "12@200.0", "process/orders": "11@100.0", "process/kafka": ""}
WAITED = PlacedOrder(190.0, 210.0)


def evidence(*placed: PlacedOrder) -> Evidence:
    return Evidence(Start(150.0, BEFORE), NOW, placed)


def write(root: Path, name: str, text: str = PAGE) -> Path:
    file = root / "docs" / "labs" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_page_with_front_matter_is_a_lab(tmp_path: Path) -> None:
    write(tmp_path, "07-a-name.md")
    write(tmp_path, "deep/other.md")
    write(tmp_path, "README.md", "# Labs\n")
    first, second = labs(tmp_path)
    assert (first.name, first.title, first.minutes, first.target) == (
        "a-name",
        "A title",
        5,
        TargetKind.EMBEDDED,
    )
    assert (second.name, second.page) == ("deep/other", "docs/labs/deep/other.md")
    assert find(tmp_path, "other") == second


def test_a_name_that_no_lab_has_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path, "07-a-name.md")
    write(tmp_path, "one/same.md")
    write(tmp_path, "two/same.md")
    with pytest.raises(UserError, match="no lab 'a-nam'. Did you mean a-name?"):
        find(tmp_path, "a-nam")
    with pytest.raises(UserError, match="`shop lab list` names all"):
        find(tmp_path, "zzz")
    with pytest.raises(UserError, match="'same' is one/same and two/same"):
        find(tmp_path, "same")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("---\ngoal", "goal", "must begin with front matter"),
        ("goal: know", "goal: know: more", "must begin with front matter"),
        ("minutes: 5\n", "", "must begin with front matter"),
        ("minutes: 5", "minutes: five", "minutes as a number"),
        ("# Lab 07: A title", "A title", "needs a heading"),
        ("[embedded]", "[jq]", "must list one of embedded, compose, k8s"),
        ("[embedded]", "[embedded, k8s]", "must list one of embedded, compose, k8s"),
        ("orders 2", "rm -rf folder", "there is no check 'rm'"),
        ("orders 2", "orders", "takes one word behind its name"),
    ],
)
def test_front_matter_that_is_wrong_is_one_sentence(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert PAGE.count(old) >= 1
    write(tmp_path, "07-a-name.md", PAGE.replace(old, new, 1))
    with pytest.raises(UserError, match=complaint):
        labs(tmp_path)


def test_orders_that_were_placed_are_counted() -> None:
    assert orders(evidence(WAITED, WAITED), "2") == ""
    assert orders(evidence(WAITED), "2").startswith(
        "1 orders were placed since the start, and the lab needs 2"
    )


def test_a_part_runs_or_not() -> None:
    assert runs(evidence(), "process/payments") == ""
    assert runs(evidence(), "process/kafka").startswith("kafka does not run")
    assert runs(evidence(), "process/gone").startswith("gone does not run")


def test_a_part_has_changed_or_not() -> None:
    assert changed(evidence(), "process/payments") == ""
    assert changed(evidence(), "process/kafka") == ""
    assert changed(evidence(), "process/orders").startswith("orders is as it was at the start")
    assert changed(evidence(), "pod/").startswith("each pod is as it was at the start")
    gone = Evidence(Start(0.0, {"pod/hog": "a"}), {}, [])
    assert changed(gone, "pod/hog") == ""


@pytest.mark.parametrize(
    "order", [PlacedOrder(190.0, 199.0), PlacedOrder(201.0, 210.0), PlacedOrder(190.0, None)]
)
def test_an_order_waited_for_a_part_or_not(order: PlacedOrder) -> None:
    assert waited(evidence(order, WAITED), "process/payments") == ""
    assert waited(evidence(order), "process/payments").startswith("no order waited while payments was away")
    assert waited(evidence(WAITED), "process/kafka").startswith("kafka does not run")


def lab_with(*steps: str) -> Lab:
    return Lab("a-name", "A title", "know", 5, ("embedded",), steps, "docs/labs/07-a-name.md")


def test_the_first_step_that_fails_is_the_answer() -> None:
    ran: list[Sequence[str]] = []

    def run(arguments: Sequence[str]) -> bool:
        ran.append(arguments)
        return "--wait" not in arguments

    assert missing(lab_with("runs process/kafka", "orders 5", "shop check"), evidence(), run).startswith(
        "kafka"
    )
    assert ran == []
    assert missing(lab_with("runs process/payments", "shop check"), evidence(), run) == ""
    failed = missing(lab_with("shop check --wait 5s", "orders 5"), evidence(), run)
    assert failed == "`shop check --wait 5s` does not succeed: run it, and read why."
    assert ran == [["check"], ["check", "--wait", "5s"]]


def test_containers_have_an_identity_that_a_restart_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    container: dict[str, Any] = {
        "Id": "0123456789abcdef",
        "State": {"Running": True, "StartedAt": "2026-11-29T00:00:01.500000000Z"},
    }

    def docker(*arguments: str) -> str:
        if arguments[0] == "compose":
            return json.dumps({"ID": "0123456789ab", "Service": "payments"}) + "\n"
        assert arguments == ("inspect", "0123456789ab")
        return json.dumps([container])

    monkeypatch.setattr(parts, "docker", docker)
    running = parts.parts_of(TargetKind.COMPOSE)
    assert parts.started(running["container/payments"]) == 1795910401.5
    container["State"] = {"Running": True, "StartedAt": "2026-11-29T00:00:02Z"}
    assert parts.parts_of(TargetKind.COMPOSE) != running
    container["State"] = {"Running": False, "StartedAt": "2026-11-29T00:00:02Z"}
    assert parts.parts_of(TargetKind.COMPOSE) == {"container/payments": ""}


def test_objects_of_a_cluster_have_an_identity_and_no_content(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def kubectl(*arguments: str) -> str:
        asked.append(arguments[-1])
        return {"pods": "pod/kafka-0 u-1-Running-0\n", "deployments": "deployment/orders-api 3\n"}.get(
            arguments[1], "secret/orders-database 77\n"
        )

    monkeypatch.setattr(parts, "kubectl", kubectl)
    assert parts.parts_of(TargetKind.K8S) == {
        "pod/kafka-0": "u-1-Running-0",
        "deployment/orders-api": "3",
        "secret/orders-database": "77",
    }
    assert not any(".data" in shape for shape in asked)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with one lab, whose shop has a new process of payments since the start, and two orders."""
    write(tmp_path, "07-a-name.md", PAGE.replace("shop check --wait 5s", "changed process/payments"))
    monkeypatch.setenv("SHOP_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(command, "repository", lambda: tmp_path)

    async def look(lab: Lab) -> Start:
        return Start(150.0, BEFORE)

    async def collect(lab: Lab, start: Start) -> Evidence:
        return Evidence(start, NOW, [WAITED] * int((tmp_path / "orders").read_text()))

    monkeypatch.setattr(command, "look", look)
    monkeypatch.setattr(command, "collect", collect)
    return tmp_path


def test_a_lab_is_started_checked_and_passed(clone: Path) -> None:
    runner = CliRunner()
    never = runner.invoke(app, ["lab", "check", "a-name"])
    assert isinstance(never.exception, UserError)
    assert str(never.exception) == "The lab a-name was not started: `shop lab start a-name`."
    started = runner.invoke(app, ["lab", "start", "a-name"])
    assert started.exit_code == 0
    assert "Follow docs/labs/07-a-name.md, then: shop lab check a-name" in started.stdout
    (clone / "orders").write_text("1")
    early = runner.invoke(app, ["lab", "check", "a-name"])
    assert early.exit_code == 1
    assert str(early.exception).startswith("a-name is not done: 1 orders were placed")
    assert [lab["passed"] for lab in json.loads(runner.invoke(app, ["lab", "list", "--json"]).stdout)] == [
        None
    ]
    (clone / "orders").write_text("2")
    done = runner.invoke(app, ["lab", "check", "a-name"])
    assert (done.exit_code, done.stdout) == (0, "a-name is done.\n")
    (listed,) = json.loads(runner.invoke(app, ["lab", "list", "--json"]).stdout)
    assert listed["started"] is True
    assert listed["passed"] is not None
    assert "passed" in runner.invoke(app, ["lab", "list"]).stdout


def test_starting_again_begins_anew(clone: Path) -> None:
    runner = CliRunner()
    (clone / "orders").write_text("2")
    for _ in range(2):
        runner.invoke(app, ["lab", "start", "a-name"])
        (listed,) = json.loads(runner.invoke(app, ["lab", "list", "--json"]).stdout)
        assert listed["passed"] is None
        assert runner.invoke(app, ["lab", "check", "a-name"]).exit_code == 0


def test_a_damaged_file_of_progress_is_one_sentence(clone: Path) -> None:
    runner = CliRunner()
    runner.invoke(app, ["lab", "start", "a-name"])
    (clone / "state" / "labs" / "a-name.json").write_text("{}")
    damaged = runner.invoke(app, ["lab", "check", "a-name"])
    assert isinstance(damaged.exception, UserError)
    assert "is damaged: start the lab anew with `shop lab start a-name`" in str(damaged.exception)
