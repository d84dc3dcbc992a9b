"""`shop rights`, for people and for machines."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from shop.cli import app
from shop.commands import rights as command
from shop.commands.rights import outcome, table, words
from shop_stack import embedded, paths, topics
from shop_stack.errors import UserError
from shop_stack.rights import ORACLE, STACK

DECLARED = topics.entries(paths.contracts())
FAULT = "orders may do Write on the topic payments.payment.v1: the contract does not say so."


def test_a_services_rights_are_told_in_plain_words() -> None:
    reads, writes, group, database = words("payments", DECLARED)
    assert reads.split() == ["orders.order.v1", "inventory.reservation.v1"]
    assert writes.split() == ["payments.payment.v1", "payments.dead-letters"]
    assert group == "commits as payments"
    assert database == "rows of payments; no table, no other database"


def test_the_oracle_writes_nothing_and_the_stack_may_do_everything() -> None:
    assert words(ORACLE, DECLARED)[1] == "nothing"
    assert words(STACK, DECLARED)[0] == "everything"


def test_the_table_has_each_login() -> None:
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(table(["orders", ORACLE], DECLARED))
    text = console.export_text()
    assert "orders.order.v1" in text
    assert "notifications.dead-letters" in text


def test_the_json_has_the_rights_of_each_login() -> None:
    answer = CliRunner().invoke(app, ["rights", "--json"])
    found: dict[str, Any] = json.loads(answer.stdout)
    assert answer.exit_code == 0
    assert found["differences"] is None
    assert found["logins"]["topics"] == {"superuser": True, "kafka": []}
    granted = found["logins"]["analytics"]["kafka"]
    assert {"resource": "topic", "name": "analytics.dead-letters", "operation": "Write"} in granted
    assert {"resource": "topic", "name": "orders.order.v1", "operation": "Write"} not in granted


def test_a_broker_that_allows_more_is_told_and_the_exit_code_is_1(monkeypatch: pytest.MonkeyPatch) -> None:
    async def differences(_: object) -> list[str]:
        return [FAULT]

    monkeypatch.setattr(command, "differences", differences)
    answer = CliRunner().invoke(app, ["rights", "--try"])
    assert answer.exit_code == 1
    assert FAULT in answer.stdout.replace("\n", "")


def test_a_broker_that_allows_what_is_listed_is_told() -> None:
    assert outcome([]) == ["Kafka allows each login exactly this, and nothing else."]
    assert outcome([FAULT]) == [FAULT]
    assert outcome(None) == []


async def test_without_a_broker_nothing_can_be_tried(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="start the shop with `shop up`"):
        await command.differences(embedded.stack(tmp_path, 28000))


def test_the_help_says_which_rule_the_rights_follow_and_how_to_try_them() -> None:
    text = CliRunner().invoke(app, ["rights", "--help"]).stdout
    assert "contracts/topics.yaml" in text
    assert "--try" in text
