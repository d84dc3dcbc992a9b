"""`shop outbox`, against the real admin API of a service on a real database."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from shop.commands import outbox
from shop_stack.errors import UserError

SET_ASIDE = """
    INSERT INTO outbox_set_aside (id, shard, topic, key, state, error)
    VALUES ($1, 0, $2, $3, $4, 'too large')
"""


@pytest.fixture(autouse=True)
async def rows(shop: asyncpg.Connection[Any]) -> None:
    """Three rows that stand aside: one waits behind a refused one, and one is refused on another topic."""
    await shop.execute(SET_ASIDE, 1, "inventory.stock.v1", "a", "REFUSED")
    await shop.execute(SET_ASIDE, 2, "inventory.stock.v1", "a", "DELAYED")
    await shop.execute(SET_ASIDE, 3, "inventory.dead-letters", "b", "REFUSED")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(outbox.app, arguments, catch_exceptions=True)


def listed(*options: str) -> list[tuple[int, str]]:
    found = json.loads(run("list", "inventory", "--json", *options).stdout)["inventory"]
    return [(row["id"], row["state"]) for row in found]


async def test_rows_that_stand_aside_are_listed_as_a_table_or_as_json() -> None:
    assert listed() == [(1, "REFUSED"), (2, "DELAYED"), (3, "REFUSED")]
    assert listed("--state", "DELAYED") == [(2, "DELAYED")]
    table = run("list", "inventory").stdout
    assert "too large" in table
    assert "REFUSED" in table
    assert run("list", "inventory", "--state", "GIVEN_UP").stdout == "No row is set aside.\n"


async def test_a_refused_row_is_tried_again_and_another_is_given_up() -> None:
    assert run("send-again", "inventory", "--key", "a").stdout == "inventory tries 1 rows again.\n"
    assert run("give-up", "inventory", "--id", "3").stdout == "inventory has given up 1 rows.\n"
    assert listed("--state", "all") == [(1, "DELAYED"), (2, "DELAYED"), (3, "GIVEN_UP")]


@pytest.mark.parametrize("verb", ["send-again", "give-up"])
async def test_all_rows_of_a_topic_are_decided_on_together_and_counted_as_json(verb: str) -> None:
    assert json.loads(run(verb, "inventory", "--topic", "inventory.stock.v1", "--json").stdout) == {"rows": 1}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("send-again", "inventory"), "--id, --key or --topic"),
        (("give-up", "inventory"), "--id, --key or --topic"),
        (("give-up", "inventory", "--id", "2"), "shop outbox list inventory"),
        (("send-again", "inventory", "--key", "c"), "shop outbox list inventory"),
    ],
)
async def test_what_cannot_be_done_is_one_sentence_with_the_cure(
    arguments: tuple[str, ...], says: str
) -> None:
    outcome = run(*arguments)
    assert isinstance(outcome.exception, UserError)
    assert says in str(outcome.exception)
