"""The lists of dead letters and of outbox rows, while some services answer and others do not."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest
import typer
from typer.testing import CliRunner

from shop.commands import dead_letters, outbox
from shop_stack.errors import ServiceAway, UserError

AWAY = ["orders", "payments", "notifications", "analytics"]
"""The services that do not answer in these tests."""

SET_ASIDE = """
    INSERT INTO outbox_set_aside (id, shard, topic, key, state, error)
    VALUES (1, 0, 'inventory.stock.v1', 'a-key', 'REFUSED', 'too large')
"""
BOTH = pytest.mark.parametrize(
    "app", [pytest.param(dead_letters.app, id="dead-letters"), pytest.param(outbox.app, id="outbox")]
)


@pytest.fixture
async def rows(shop: asyncpg.Connection[Any], write_letter: Any) -> None:
    """inventory has one row in each list."""
    await shop.execute(SET_ASIDE)
    await write_letter(1, "a-key")


def listed(app: typer.Typer, *options: str) -> Any:
    return CliRunner().invoke(app, ["list", *options], catch_exceptions=True)


@BOTH
@pytest.mark.usefixtures("rows")
def test_a_list_has_the_services_that_answer_and_names_the_others(app: typer.Typer) -> None:
    outcome = listed(app)
    assert outcome.exit_code == 1
    assert "a-key" in outcome.stdout
    assert isinstance(outcome.exception, ServiceAway)
    first, *reasons = str(outcome.exception).splitlines()
    assert first == f"The list is not complete. It lacks {', '.join(AWAY)}."
    assert [reason.split(" does not answer")[0] for reason in reasons] == AWAY


@BOTH
@pytest.mark.usefixtures("rows")
def test_a_service_that_does_not_answer_is_null_in_json(app: typer.Typer) -> None:
    outcome = listed(app, "--json")
    assert outcome.exit_code == 1
    found = json.loads(outcome.stdout)
    assert [row["key"] for row in found.pop("inventory")] == ["a-key"]
    assert found == dict.fromkeys(AWAY)


CUT = "Only the first 1 rows of inventory are listed. To see more, add --limit (up to 999)"


@BOTH
@pytest.mark.usefixtures("rows")
async def test_a_list_that_is_cut_says_so_and_how_to_see_more(
    app: typer.Typer, shop: asyncpg.Connection[Any], write_letter: Any
) -> None:
    await shop.execute(SET_ASIDE.replace("(1, 0,", "(2, 0,"))
    await write_letter(2, "a-key")
    assert CUT in listed(app, "inventory", "--limit", "1").stdout
    found = json.loads(listed(app, "inventory", "--limit", "1", "--json").stdout)
    assert (len(found["inventory"]), found["cut"]) == (1, ["inventory"])


@BOTH
@pytest.mark.usefixtures("rows")
def test_a_list_with_all_rows_does_not_say_that_it_is_cut(app: typer.Typer) -> None:
    assert "Only the first" not in listed(app, "inventory", "--limit", "1").stdout
    assert "cut" not in json.loads(listed(app, "inventory", "--limit", "1", "--json").stdout)


@BOTH
@pytest.mark.usefixtures("shop")
def test_a_list_that_is_not_complete_does_not_say_that_there_is_no_row(app: typer.Typer) -> None:
    outcome = listed(app)
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert "The list is not complete." in str(outcome.exception)


@BOTH
@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("service", "says"), [("warehouse", "one of orders, inventory"), ("orders", "see `shop status`")]
)
def test_a_service_that_cannot_be_asked_is_one_sentence_with_the_cure(
    app: typer.Typer, service: str, says: str
) -> None:
    outcome = listed(app, service)
    assert isinstance(outcome.exception, UserError)
    assert says in str(outcome.exception)
    assert "The list is not complete" not in str(outcome.exception)


@BOTH
@pytest.mark.usefixtures("shop")
def test_a_state_that_does_not_exist_is_refused_and_the_service_is_not_away(app: typer.Typer) -> None:
    outcome = listed(app, "inventory", "--state", "LOST")
    assert isinstance(outcome.exception, UserError)
    assert not isinstance(outcome.exception, ServiceAway)
    assert "state" in str(outcome.exception)
