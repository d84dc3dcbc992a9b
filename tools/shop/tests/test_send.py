"""`shop send` on a real broker: it makes the user that sends, and says where the record lies and what to do next."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from shop.cli import app
from shop_stack import embedded, paths, target
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaLogins
from shop_stack.stack import Stack
from shop_stack.target import Target


@pytest.fixture
def shop(logins: KafkaLogins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command finds a stack with the broker of the tests."""
    stack = embedded.stack(tmp_path, 28000)
    monkeypatch.setattr(Stack, "logins", property(lambda _: logins))
    monkeypatch.setattr(embedded, "stack", lambda: stack)
    nothing = Target("embedded", {}, {}, "", logins.of("oracle"), {}, tmp_path, tmp_path, tmp_path)
    monkeypatch.setattr(target, "embedded", lambda _: replace(nothing, contracts=paths.contracts()))


async def sent(*arguments: str, kind: str = "embedded") -> Result:
    runner = CliRunner()
    return await asyncio.to_thread(runner.invoke, app, ["send", *arguments], env={"SHOP_TARGET": kind})


async def test_a_record_is_told_with_its_place_its_key_and_the_next_command(shop: None) -> None:
    result = await sent("stock-reserved", "--corrupt", "wrong-source", "--twice")
    first, second, then = result.stdout.strip().splitlines()
    assert first.startswith("inventory.reservation.v1[")
    assert second.split("@")[0] == first.split("@")[0]
    key = first.split("key ")[1]
    assert "Its readers are orders, payments, analytics." in then
    assert then.endswith(f"`shop dead-letters list --key {key}`")


async def test_a_program_gets_the_same_as_json_and_a_refusal_has_its_reason(shop: None) -> None:
    answer = json.loads((await sent("order-placed", "--set", "payment_token=tok_x", "--json")).stdout)
    (place,) = answer["sent"]
    assert (place["topic"], answer["refused"]) == ("orders.order.v1", None)
    assert answer["next"] == f"shop dead-letters list --key {answer['key']}"
    refused = json.loads((await sent("order-placed", "--corrupt", "wrong-checksum", "--json")).stdout)
    assert (refused["sent"], refused["refused"]) == ([], "CorruptRecordException")
    told = (await sent("order-placed", "--corrupt", "wrong-checksum")).stdout
    assert "The broker refused it (CorruptRecordException): no reader gets it." in told


async def test_a_key_that_cannot_be_typed_is_left_out_of_the_next_command(shop: None) -> None:
    answer = json.loads((await sent("order-placed", "--corrupt", "random-bytes", "--json")).stdout)
    assert answer["next"] == "shop dead-letters list"


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        (["order-paid"], "embedded", "There is no event 'order-paid'"),
        (["order-placed", "--set", "lines.0.quantity=-1"], "embedded", "Send it all the same with --raw"),
        (["order-placed"], "compose", "needs the embedded stack"),
    ],
)
async def test_what_cannot_be_sent_is_refused_with_the_cure(
    shop: None, arguments: list[str], kind: str, sentence: str
) -> None:
    error = (await sent(*arguments, kind=kind)).exception
    assert isinstance(error, UserError)
    assert sentence in str(error)
