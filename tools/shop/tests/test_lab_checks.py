"""The checks of labs that release and deploy, and the clone in which they are done."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shop.labs import clone, shipped
from shop.labs.evidence import Evidence, Start
from shop.labs.pages import Lab
from shop.labs.shipping import Shipping, names_of, released_since
from shop_observe.kafka_log import Entry
from shop_stack import ports
from shop_stack.errors import UserError

SENT = "notifications.notification-sent.v1"
LAB = Lab(
    "folder/a-name",
    "A title",
    "know",
    5,
    ("embedded", "clone"),
    ("shop check",),
    "docs/labs/folder/a-name.md",
)


def event(
    seconds: float, type_: str = SENT, topic: str = "notifications.notification.v1", **data: Any
) -> Entry:
    value = json.dumps(data).encode()
    return Entry(topic, 0, 0, int(seconds * 1000), "k", "", "", type_, "", "", "", "", value)


def evidence(*events: Entry, parts: Mapping[str, str] | None = None, **shipping: Any) -> Evidence:
    return Evidence(Start(0.0, {}), parts or {}, (), Shipping(events=events, **shipping))


def test_releases_since_the_start_are_counted() -> None:
    made = evidence(released={"orders": ["0.9.0"]})
    assert shipped.released(made, "orders", "1") == ""
    assert shipped.released(made, "orders", "2").startswith("1 new releases of orders are in the last commit")
    assert shipped.released(made, "payments", "1").startswith("0 new releases of payments")


def test_the_running_release_is_the_newest_or_a_former_one() -> None:
    made = {"orders": ["0.9.0", "0.10.0"]}
    newest = evidence(released=made, running={"orders": "0.10.0"})
    former = evidence(released=made, running={"orders": "0.9.0"})
    silent = evidence(released=made, running={"orders": ""})
    assert shipped.runs_newest(newest, "orders") == ""
    assert "runs 0.9.0 and not 0.10.0: `shop deploy orders 0.10.0`" in shipped.runs_newest(former, "orders")
    assert shipped.runs_former(former, "orders") == ""
    assert "still runs 0.10.0: `shop rollback orders`" in shipped.runs_former(newest, "orders")
    assert "does not answer" in shipped.runs_former(silent, "orders")
    assert "runs nothing" in shipped.runs_newest(silent, "orders")


def test_an_event_was_sent_with_a_field_or_without_it() -> None:
    old, new = evidence(event(1, a=1)), evidence(event(1, a=1, language="en"))
    assert shipped.sent_without(old, "notification-sent", "language") == ""
    assert shipped.sent_with(new, SENT, "language") == ""
    assert "no notification-sent with `language`" in shipped.sent_with(old, "notification-sent", "language")
    assert "no notification-sent without `language`" in shipped.sent_without(
        new, "notification-sent", "language"
    )
    assert names_of(SENT) == {
        SENT,
        "notifications.notification-sent",
        "notification-sent.v1",
        "notification-sent",
    }


def test_a_reader_was_ready_before_the_first_event_with_a_field() -> None:
    ready = evidence(event(10), event(20, language="en"), parts={"process/analytics": "7@19.0"})
    late = evidence(event(10), event(20, language="en"), parts={"process/analytics": "7@21.0"})
    none = evidence(event(10), parts={"process/analytics": "7@1.0"})
    arguments = ("analytics", "notification-sent", "language")
    assert shipped.ready_before(ready, *arguments) == ""
    assert "before analytics was ready for it" in shipped.ready_before(late, *arguments)
    assert "no notification-sent with `language`" in shipped.ready_before(none, *arguments)


def test_dead_letters_were_there_and_are_handled() -> None:
    letter = event(1, topic="orders.dead-letters")
    assert shipped.dead_letters(evidence(letter), "orders") == ""
    assert "given up on no message" in shipped.dead_letters(evidence(letter), "payments")
    assert shipped.all_handled(evidence(open_letters={"orders": 0}), "orders") == ""
    assert "has 2 open dead letters" in shipped.all_handled(evidence(open_letters={"orders": 2}), "orders")
    assert "has unknown open dead letters" in shipped.all_handled(evidence(), "orders")


def test_a_table_has_a_column_or_not() -> None:
    tables = evidence(columns={"orders": frozenset({"id"})})
    assert shipped.column(tables, "orders", "id") == ""
    assert "has no column name" in shipped.column(tables, "orders", "name")
    assert shipped.no_column(tables, "orders", "name") == ""
    assert "still has the column id" in shipped.no_column(tables, "orders", "id")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def learner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with one service that has two releases, and a file that is not committed."""
    root = tmp_path / "shopfloor"
    for name in (
        "services/orders/pyproject.toml",
        "releases/orders/0.1.0.toml",
        "releases/orders/0.10.0.toml",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    (root / ".gitignore").write_text(".shop/\n")
    git(root, "init", "--quiet")
    for name, value in clone.LEARNER.items():
        git(root, "config", name, value)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "one")
    (root / "mine").write_text("my work")
    monkeypatch.delenv("SHOP_STATE", raising=False)
    monkeypatch.setattr(ports, "require_free", lambda name, port: None)
    return root


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The commands that were run in the clone of the lab, instead of running them."""
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(clone, "_run", lambda folder, *command: commands.append(command))
    return commands


def test_the_clone_of_a_lab_leaves_the_learners_files_and_branches(
    learner: Path, ran: list[tuple[str, ...]]
) -> None:
    branches = git(learner, "branch")
    folder = clone.prepare(LAB, learner)
    assert git(folder, "branch", "--show-current") == "lab/a-name"
    assert clone.is_one(folder)
    assert not clone.is_one(learner)
    assert not (folder / "mine").exists()
    assert (learner / "mine").read_text() == "my work"
    assert git(learner, "branch") == branches
    assert ran == [
        ("make", ".venv/.ready"),
        (".venv/bin/shop", "deploy", "orders", "0.10.0"),
        ("make", "up"),
    ]


def test_a_lab_begins_anew_and_keeps_what_an_earlier_one_left(
    learner: Path, ran: list[tuple[str, ...]]
) -> None:
    folder = clone.prepare(LAB, learner)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "shop").touch()
    (folder / "changed").write_text("half done")
    other = Lab("b", "B", "know", 5, ("embedded", "clone"), ("shop check",), "docs/labs/b.md")
    ran.clear()
    assert clone.prepare(other, folder) == folder
    assert ran[0] == (".venv/bin/shop", "down", "--wipe")
    assert not (folder / "changed").exists()
    assert git(folder, "show", "lab/a-name:changed") == "half done"


def test_releases_are_those_that_a_later_commit_added(learner: Path) -> None:
    start = git(learner, "rev-parse", "HEAD")
    for version in ("0.10.1", "0.9.0"):
        (learner / f"releases/orders/{version}.toml").write_text("")
    assert released_since(learner, start) == {}
    git(learner, "add", "--all")
    git(learner, "commit", "--quiet", "--message", "two")
    assert released_since(learner, start) == {"orders": ["0.9.0", "0.10.1"]}


def test_a_shop_elsewhere_or_a_shallow_clone_is_refused_before_anything_is_made(
    learner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shallow = tmp_path / "shallow"
    git(learner, "commit", "--quiet", "--allow-empty", "--message", "two")
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{learner}", str(shallow))
    with pytest.raises(UserError, match="git fetch --unshallow"):
        clone.prepare(LAB, shallow)
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    with pytest.raises(UserError, match="unset SHOP_STATE"):
        clone.prepare(LAB, learner)
    assert not clone.place(learner).exists()
