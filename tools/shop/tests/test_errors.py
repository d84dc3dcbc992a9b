"""What can go wrong is one sentence with the cure on stderr, and never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from shop import cli
from shop.cli import app
from shop.commands import doctor
from shop.commands.progress import Progress
from shop.commands.status import NOT_READY
from shop.output import OutputClosed
from shop_stack import embedded
from shop_stack.errors import UserError


def shop(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a person runs it."""
    return subprocess.run(
        [sys.executable, "-m", "shop.cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def assert_one_sentence(result: subprocess.CompletedProcess[str], *parts_of_it: str) -> None:
    assert result.returncode == 1
    assert "Traceback" not in result.stderr + result.stdout
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for part in parts_of_it:
        assert part in result.stderr


def test_a_taken_port_names_the_port_its_holder_and_the_cure(
    tmp_path: Path, base: int, taken_port: int
) -> None:
    result = shop("up", SHOP_STATE=str(tmp_path), SHOP_PORT_BASE=str(base))
    assert_one_sentence(result, f"Port {taken_port}, which kafka needs, is in use", "SHOP_PORT_BASE=28000")
    assert f"process {os.getpid()}" in result.stderr


@pytest.mark.parametrize("given", ["many", "80", "99999", ""])
def test_a_port_base_that_is_none_is_refused(tmp_path: Path, given: str) -> None:
    result = shop("up", SHOP_STATE=str(tmp_path), SHOP_PORT_BASE=given)
    assert_one_sentence(result, "SHOP_PORT_BASE", "from 1024 to 65000")


def test_asking_a_shop_that_does_not_run_says_how_to_start_it(tmp_path: Path) -> None:
    assert_one_sentence(shop("check", SHOP_STATE=str(tmp_path)), "No shop runs", "shop up")
    assert_one_sentence(shop("logs", "orders", SHOP_STATE=str(tmp_path)), "no log of 'orders'", "shop up")
    for command in ("restart", "start", "stop", "freeze", "slow", "resume"):
        assert_one_sentence(shop(command, "orders", SHOP_STATE=str(tmp_path)), "No shop runs", "shop up")


@pytest.mark.parametrize("command", ["restart", "start", "stop", "freeze", "slow", "resume"])
def test_an_unknown_part_is_answered_with_the_known_ones(tmp_path: Path, command: str) -> None:
    result = shop(command, "warehouse", SHOP_STATE=str(tmp_path))
    assert_one_sentence(result, "There is no 'warehouse' here: choose one of postgres, kafka")


@pytest.mark.parametrize(
    ("command", "sentence"),
    [("down", "The shop is closed all the same."), ("status", "ended early"), ("doctor", "ended early")],
)
def test_a_reader_that_leaves_early_gets_one_sentence(
    tmp_path: Path, base: int, command: str, sentence: str
) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "shop.cli", command],
            env={**os.environ, "SHOP_STATE": str(tmp_path / "state"), "SHOP_PORT_BASE": str(base)},
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(write)
    result.stdout = ""
    assert_one_sentence(result, "The reader of the output has closed it", sentence)


def test_a_start_goes_on_when_the_reader_of_its_progress_leaves() -> None:
    class Closed(Console):
        def print(self, *_: object, **__: object) -> None:
            raise OutputClosed("closed")

    with Progress(Closed()) as progress:
        progress.report("kafka", "ready after 2 s")
    with pytest.raises(OutputClosed):
        progress.require_a_reader()


def test_databases_that_were_deleted_are_told_before_new_ones_are_made(tmp_path: Path, base: int) -> None:
    state = tmp_path / "state"
    (state / "run").mkdir(parents=True)
    (state / "run" / "orders.migrated").touch()
    (state / ".shopfloor").touch()
    result = shop("up", SHOP_STATE=str(state), SHOP_PORT_BASE=str(base))
    assert_one_sentence(result, f"The databases are gone: {state}/postgres was deleted", "Put", "--wipe")


def test_an_error_that_nobody_foresaw_is_one_sentence_and_its_traceback_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise KeyError("[/red] order_id")

    monkeypatch.setenv("SHOP_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(cli, "app", fails)
    monkeypatch.setattr(cli, "guard", lambda: None)  # standard output is pytest's
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    (sentence,) = capsys.readouterr().err.strip().splitlines()
    log = tmp_path / "state" / "logs" / "shop.log"
    assert f"(KeyError: '[/red] order_id'): try again; if it happens again, report it with {log}." in sentence
    assert "Traceback" in log.read_text()


def test_a_test_stack_that_does_not_run_says_how_to_start_it(tmp_path: Path) -> None:
    result = shop("test-stack", "down", SHOP_TEST_STACK=str(tmp_path / "none.json"))
    assert_one_sentence(result, "No test stack runs", "shop test-stack up")


def test_a_test_stack_deletes_no_folder_of_a_person(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    postgres = {"host": "h", "port": 1, "password": "p"}
    kafka = {"bootstrap": "k", "passwords": {}}
    file = tmp_path / "file.json"
    file.write_text(json.dumps({"state": str(work), "kafka": kafka, "postgres": postgres}))
    result = shop("test-stack", "down", SHOP_TEST_STACK=str(file))
    assert_one_sentence(result, f"{file} names {work}, which is no folder of a test stack")
    assert work.exists()


def test_a_working_directory_that_was_deleted_is_no_fault(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    result = subprocess.run(
        ["/bin/sh", "-c", f'rmdir "{gone}"; exec "{sys.executable}" -m shop status'],
        cwd=gone,
        env={**os.environ, "SHOP_STATE": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == NOT_READY, result.stderr
    assert result.stderr == ""


def test_a_mistake_in_topics_yaml_is_one_sentence_for_every_command(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "topics.yaml").write_text("topics\n  - name: x\n")
    result = subprocess.run(
        [sys.executable, "-m", "shop", "status"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert_one_sentence(result, "topics.yaml", "correct it")


def test_the_installed_command_begins_there() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    assert project["project"]["scripts"] == {"shop": "shop.__main__:main"}


def test_a_target_that_is_none_is_answered_with_those_that_are(tmp_path: Path) -> None:
    result = shop("status", SHOP_TARGET="foo", SHOP_STATE=str(tmp_path))
    assert_one_sentence(result, "SHOP_TARGET is 'foo': set it to one of embedded, compose, k8s.")
    assert shop("status", SHOP_TARGET="", SHOP_STATE=str(tmp_path)).returncode == NOT_READY


def test_the_doctor_finds_what_is_wrong_and_names_each_cure(
    tmp_path: Path, base: int, taken_port: int
) -> None:
    stack = embedded.stack(tmp_path, base)
    findings = {finding.what: finding for finding in doctor.examine(stack)}
    assert f"Port {taken_port}" in findings["ports"].cure
    assert findings["Java"].cure == findings["PostgreSQL"].cure == findings["disk"].cure == ""


def test_what_is_about_the_embedded_stack_alone_is_refused_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TARGET", "compose")
    result = CliRunner().invoke(app, ["bench", "--only", "cpu"])
    assert isinstance(result.exception, UserError)
    assert "apply to the embedded stack" in str(result.exception)
