"""`shop rotate`: the secrets that it replaces, and the order in which it tells them."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from shop.cli import app
from shop_stack import embedded, rotation, stack_files
from shop_stack.errors import UserError
from shop_stack.stack import Stack
from shop_stack.target import TargetMissing


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The changes that the command asks for, of a stack that was started and whose parts are not asked."""
    found: list[str] = []
    monkeypatch.setenv("SHOP_STATE", str(tmp_path))
    monkeypatch.setenv("SHOP_TARGET", "embedded")
    stack_files.write_facts(embedded.stack())

    async def rotate_database(_: Stack, service: str) -> None:
        found.append(f"database {service}")

    async def rotate_kafka(_: Stack, principal: str) -> None:
        found.append(f"kafka {principal}")

    def rotate_keys(_: Stack) -> str:
        found.append("keys")
        return "a-kid"

    for function in (rotate_database, rotate_kafka, rotate_keys):
        monkeypatch.setattr(rotation, function.__name__, function)
    return found


def rotate(*arguments: str) -> str:
    answer = CliRunner().invoke(app, ["rotate", *arguments], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_all_secrets_are_replaced_one_after_the_other(changed: list[str]) -> None:
    told = rotate()
    services = embedded.stack().services
    expected = [f"database {name}" for name in services]
    expected += [f"kafka {name}" for name in (*services, "oracle")]
    assert changed == [*expected, "keys"]
    assert "issuer: signs with the new key a-kid" in told
    assert "orders: new passwords at PostgreSQL" in told


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["kafka", "payments"], ["kafka payments"]),
        (["database", "orders"], ["database orders"]),
        (["all", "orders"], ["database orders", "kafka orders"]),
        (["keys"], ["keys"]),
    ],
)
def test_one_secret_or_one_service_is_chosen(
    changed: list[str], arguments: list[str], expected: list[str]
) -> None:
    rotate(*arguments)
    assert changed == expected


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["keys", "orders"], "leave the service out"), (["kafka", "billing"], "There is no service 'billing'")],
)
def test_a_choice_that_does_not_exist_is_told_and_changes_nothing(
    changed: list[str], arguments: list[str], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        rotate(*arguments)
    assert changed == []


def test_another_target_is_told_where_to_read(changed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TARGET", "k8s")
    with pytest.raises(UserError, match="rotate-passwords"):
        rotate()
    assert changed == []


def test_without_a_running_shop_nothing_is_changed(changed: list[str], tmp_path: Path) -> None:
    (tmp_path / "stack.json").unlink()
    with pytest.raises(TargetMissing):
        rotate()
    assert changed == []
