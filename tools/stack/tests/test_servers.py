"""The file that tells of a test stack: it is private, and it names no folder that is not the stack's."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaLogins
from shop_stack.postgres import Server
from shop_stack.servers import ServersOnly, read_state, write_state

SERVER = Server("127.0.0.1", 1, "secret")
LOGINS = KafkaLogins("127.0.0.1:2", {"orders": "secret"})


def facts(state: Path) -> dict[str, Any]:
    return {
        "state": str(state),
        "kafka": {"bootstrap": "k", "passwords": {}},
        "postgres": {"host": "h", "port": 1, "password": "p"},
    }


def test_a_test_stack_is_found_by_a_file_that_no_other_user_can_read(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text("{}")
    file.chmod(0o644)
    servers = ServersOnly(tmp_path / "shop-test-stack-1")
    write_state(file, servers, SERVER, LOGINS)
    assert read_state(file) == (servers, SERVER, LOGINS)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "1", '{"state": 1}', json.dumps(facts(Path("x")) | {"postgres": []})]
)
def test_a_damaged_file_tells_of_no_test_stack(tmp_path: Path, content: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(content)
    with pytest.raises(UserError, match="No test stack runs"):
        read_state(file)


def test_a_file_that_names_a_persons_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(json.dumps(facts(tmp_path / "work")))
    with pytest.raises(UserError, match="no folder of a test stack"):
        read_state(file)


def test_another_users_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.json"
    file.write_text(json.dumps(facts(tmp_path / "shop-test-stack-1")))
    monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    with pytest.raises(UserError, match="another user's file"):
        read_state(file)
