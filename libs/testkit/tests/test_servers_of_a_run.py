"""The processes of one test run share a stack: the first that asks starts it, and the run stops it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_stack.kafka_access import KafkaLogins
from shop_stack.postgres import Server
from shop_stack.servers import FOLDER_PREFIX, ServersOnly, write_state
from testkit import servers
from testkit.servers import RUN, EmbeddedStack, StackOfRun, TestRun, chosen_servers

SERVER = Server("127.0.0.1", 1, "secret")
LOGINS = KafkaLogins("127.0.0.1:2", {"orders": "secret"})


@pytest.fixture
def happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to the servers, which are not really started."""
    done: list[str] = []

    async def start_both(file: Path) -> KafkaLogins:
        done.append("started")
        write_state(file, ServersOnly(tmp_path / f"{FOLDER_PREFIX}1"), SERVER, LOGINS)
        return LOGINS

    async def provision_kafka(logins: KafkaLogins) -> None:
        assert logins == LOGINS
        done.append("provisioned")

    async def stop(self: ServersOnly) -> None:
        assert self.state == tmp_path / f"{FOLDER_PREFIX}1"
        done.append("stopped")

    monkeypatch.setattr(servers, "start_both", start_both)
    monkeypatch.setattr(servers, "provision_kafka", provision_kafka)
    monkeypatch.setattr(ServersOnly, "stop", stop)
    return done


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestRun]:
    """A run within this one, which may be one of several processes itself."""
    for name in (RUN, "SHOP_TEST_STACK", "SHOP_STACK"):
        monkeypatch.delenv(name, raising=False)
    yield TestRun()
    assert RUN not in os.environ


def test_the_first_process_starts_the_stack_and_the_next_ones_find_it(
    run: TestRun, happened: list[str]
) -> None:
    folder = Path(os.environ[RUN])
    first = chosen_servers()
    second = chosen_servers()
    assert happened == ["started", "provisioned"]
    for found in (first, second):
        assert isinstance(found, StackOfRun)
        assert (found.server, found.logins) == (SERVER, LOGINS)
        found.close()
    assert happened == ["started", "provisioned"]
    run.close()
    assert happened == ["started", "provisioned", "stopped"]
    assert not folder.exists()


def test_a_run_in_which_no_test_asks_starts_nothing(run: TestRun, happened: list[str]) -> None:
    run.close()
    assert happened == []


def test_without_a_run_of_several_processes_a_process_has_a_stack_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (RUN, "SHOP_TEST_STACK", "SHOP_STACK"):
        monkeypatch.delenv(name, raising=False)
    alone = chosen_servers()
    assert isinstance(alone, EmbeddedStack)
    alone.close()
