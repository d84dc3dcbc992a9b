"""New passwords: the order of the steps, and what is left if one of them fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from shop_stack import embedded, kafka_users, passwords, postgres, rotation, stack_files
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.process import Daemon
from shop_stack.rights import ORACLE
from shop_stack.stack import Stack


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack whose parts seem to run."""
    made = embedded.stack(tmp_path / "state", 28000)
    stack_files.write_facts(made)
    stack_files.write_secrets(made)
    monkeypatch.setattr(Daemon, "process", lambda self: object())
    return made


def known(stack: Stack) -> dict[str, str]:
    found: dict[str, str] = json.loads(stack.passwords_file.read_text())
    return found


def differences(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


async def test_a_database_password_goes_to_the_server_before_it_goes_to_the_service(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, file = known(stack), stack.secret_files("orders").database
    told: list[postgres.Roles] = []

    async def ensure_roles(_: object, roles: postgres.Roles) -> None:
        assert file.read_text() == before["orders"]
        told.append(roles)

    monkeypatch.setattr(postgres, "ensure_roles", ensure_roles)
    await rotation.rotate_database(stack, "orders")
    after = known(stack)
    assert differences(before, after) == {"orders", "orders_owner"}
    (roles,) = told
    assert (roles.password, roles.owner_password) == (after["orders"], after["orders_owner"])
    assert file.read_text() == after["orders"]
    facts = json.loads((stack.state / "stack.json").read_text())
    assert after["orders_owner"] in facts["database_urls"]["orders"]


@pytest.mark.parametrize("principal", ["orders", ORACLE])
async def test_a_kafka_password_goes_to_the_broker_before_it_goes_to_its_user(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, principal: str
) -> None:
    before = known(stack)

    def where_it_is_read() -> str:
        if principal == ORACLE:
            return str(json.loads((stack.state / "stack.json").read_text())["kafka"]["password"])
        return stack.secret_files(principal).kafka.read_text()

    async def set_passwords(_: object, users: Sequence[KafkaAccess]) -> None:
        (user,) = users
        assert user.password == known(stack)[f"kafka/{principal}"]
        assert where_it_is_read() == before[f"kafka/{principal}"]

    monkeypatch.setattr(kafka_users, "set_passwords", set_passwords)
    await rotation.rotate_kafka(stack, principal)
    assert differences(before, known(stack)) == {f"kafka/{principal}"}
    assert where_it_is_read() == known(stack)[f"kafka/{principal}"]


async def test_after_a_server_that_did_not_answer_the_next_start_completes_the_change(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ensure_roles(*_: object) -> None:
        raise ConnectionRefusedError

    before = known(stack)
    monkeypatch.setattr(postgres, "ensure_roles", ensure_roles)
    with pytest.raises(UserError, match="shop restart postgres"):
        await rotation.rotate_database(stack, "orders")
    assert stack.secret_files("orders").database.read_text() == before["orders"]
    stack_files.write_secrets(stack)  # a part of `shop up`, which also sets the passwords of the roles
    assert stack.secret_files("orders").database.read_text() == known(stack)["orders"] != before["orders"]


async def test_without_the_server_nothing_is_changed(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Daemon, "process", lambda self: None)
    before = known(stack)
    for work in (rotation.rotate_database(stack, "orders"), rotation.rotate_kafka(stack, "orders")):
        with pytest.raises(UserError, match="does not run, so nothing was changed"):
            await work
    with pytest.raises(UserError, match="issuer does not run"):
        rotation.rotate_keys(stack)
    assert known(stack) == before


def test_an_issuer_that_refuses_is_told(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def post(url: str, **_: Any) -> httpx.Response:
        return httpx.Response(401, json={"error": "invalid_client"}, request=httpx.Request("POST", url))

    monkeypatch.setattr(httpx, "post", post)
    with pytest.raises(UserError, match="made no new key"):
        rotation.rotate_keys(stack)


def test_the_issuer_is_told_who_changes_its_keys(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    forms: list[Any] = []

    def post(url: str, data: Any, **_: Any) -> httpx.Response:
        forms.append(data)
        return httpx.Response(200, json={"kid": "k"}, request=httpx.Request("POST", url))

    monkeypatch.setattr(httpx, "post", post)
    monkeypatch.delenv("SHOP_AS", raising=False)
    assert rotation.rotate_keys(stack) == "k"
    monkeypatch.setenv("SHOP_AS", "ada")
    rotation.rotate_keys(stack)
    assert forms == [{}, {"subject": "ada"}]


def test_a_name_without_a_password_is_no_name_to_renew(stack: Stack) -> None:
    before = known(stack)
    with pytest.raises(KeyError, match="billing"):
        passwords.renew(stack.passwords_file, ["orders", "billing"])
    assert known(stack) == before
