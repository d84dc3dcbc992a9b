"""The processes of one test run share a stack, which the run starts and stops."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shop_stack.errors import UserError
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


@pytest.fixture(autouse=True)
def no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process may itself be one of several, or use a stack that runs."""
    for name in (RUN, "SHOP_TEST_STACK", "SHOP_STACK"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_every_process_finds_the_stack_that_the_run_has_started(happened: list[str]) -> None:
    run = TestRun()
    folder = Path(os.environ[RUN])
    for found in (chosen_servers(), chosen_servers()):
        assert isinstance(found, StackOfRun)
        assert (found.server, found.logins) == (SERVER, LOGINS)
        found.close()
    assert happened == ["started", "provisioned"]
    run.close()
    assert happened == ["started", "provisioned", "stopped"]
    assert not folder.exists()
    assert RUN not in os.environ


def test_a_stack_that_does_not_start_is_told_and_no_process_waits_for_it(
    happened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(file: Path) -> KafkaLogins:
        raise UserError("no Java")

    monkeypatch.setattr(servers, "start_both", fails)
    run = TestRun()
    folder = Path(os.environ[RUN])
    with pytest.raises(UserError, match="No test stack runs"):
        chosen_servers()
    with pytest.raises(UserError, match="no Java"):
        run.close()
    assert happened == []
    assert not folder.exists()


def test_without_a_run_of_several_processes_a_process_has_a_stack_of_its_own() -> None:
    alone = chosen_servers()
    assert isinstance(alone, EmbeddedStack)
    alone.close()
