"""`shop dead-letters`, against the real admin API of a service on a real database."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from shop.commands import dead_letters
from shop_stack.errors import UserError

LETTER = """
    INSERT INTO dead_letters (consumer_group, topic, partition, "offset", key, headers, value, state, reason, error,
                              fingerprint)
    VALUES ('inventory', 'orders.order.v1', 0, $1, $2, '{}', 'x', 'PARKED', 'no-headers', 'no event', 'f')
"""


def run(*arguments: str) -> Any:
    return CliRunner().invoke(dead_letters.app, arguments, catch_exceptions=True)


async def test_dead_letters_are_listed_shown_and_discarded(shop: asyncpg.Connection[Any]) -> None:
    for offset, key in enumerate(("a", "a", "b")):
        await shop.execute(LETTER, offset, key)
    listed = json.loads(run("list", "inventory", "--json").stdout)["inventory"]
    assert [letter["key"] for letter in listed] == ["a", "a", "b"]
    assert "no-headers" in run("list", "inventory").stdout
    assert json.loads(run("show", "inventory", str(listed[0]["id"])).stdout)["value"] == "x"
    assert run("discard", "inventory", "--key", "a").stdout == "2 ended, 0 still open.\n"
    left = json.loads(run("list", "inventory", "--json").stdout)["inventory"]
    assert [letter["key"] for letter in left] == ["b"]


async def test_a_letter_that_fails_again_stays_open_and_says_why(shop: asyncpg.Connection[Any]) -> None:
    await shop.execute(LETTER, 1, "a")
    outcome = run("redrive", "inventory", "--key", "a")
    assert (outcome.exit_code, outcome.stdout) == (1, "0 ended, 1 still open.\n")
    assert "CloudEvent" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("redrive", "inventory"), "either --id or --key"),
        (("discard", "inventory", "--id", "1", "--key", "a"), "either --id or --key"),
        (("show", "inventory", "77"), "77"),
        (("list", "warehouse"), "one of orders, inventory"),
        (("list", "orders"), "shop status"),
    ],
)
async def test_what_cannot_be_done_is_one_sentence_with_the_cure(
    shop: asyncpg.Connection[Any], arguments: tuple[str, ...], says: str
) -> None:
    outcome = run(*arguments)
    assert isinstance(outcome.exception, UserError)
    assert says in str(outcome.exception)


async def test_republishing_says_how_much_is_sent_again(
    shop: asyncpg.Connection[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    dead_letters.republish("inventory")
    assert capsys.readouterr().out == "inventory sends 0 events again.\n"
