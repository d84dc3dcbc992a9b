"""`shop dead-letters`, against the real admin API of a service on a real database."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from shop.commands import dead_letters
from shop_stack import admin
from shop_stack.errors import UserError

pytestmark = pytest.mark.usefixtures("shop")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(dead_letters.app, arguments, catch_exceptions=True)


async def test_dead_letters_are_listed_shown_and_discarded(write_letter: Any) -> None:
    for offset, key in enumerate(("a", "a", "b")):
        await write_letter(offset, key)
    listed = json.loads(run("list", "inventory", "--json").stdout)["inventory"]
    assert [letter["key"] for letter in listed] == ["a", "a", "b"]
    assert "no-headers" in run("list", "inventory").stdout
    assert json.loads(run("show", "inventory", str(listed[0]["id"])).stdout)["value"] == "x"
    assert run("discard", "inventory", "--key", "a").stdout == "2 ended, 0 still open.\n"
    left = json.loads(run("list", "inventory", "--json").stdout)["inventory"]
    assert [letter["key"] for letter in left] == ["b"]


@pytest.mark.parametrize(
    "key", ["01a207af-3c26-70e9-84db-827b769c8a55", "a-foreign-key-" * 30], ids=["order", "long"]
)
async def test_on_80_columns_the_key_and_the_id_that_redrive_needs_stand_whole_on_one_line(
    write_letter: Any, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    await write_letter(1_234_567, key)
    (letter,) = json.loads(run("list", "inventory", "--json").stdout)["inventory"]
    lines = [line.split() for line in run("list", "inventory").stdout.splitlines()]
    assert ["inventory", str(letter["id"]), "PARKED", key] in lines


async def test_a_letter_that_fails_again_stays_open_and_says_why(write_letter: Any) -> None:
    await write_letter(1, "a")
    outcome = run("redrive", "inventory", "--key", "a")
    assert (outcome.exit_code, outcome.stdout) == (1, "0 ended, 1 still open.\n")
    assert "CloudEvent" in outcome.stderr


async def test_all_open_letters_are_tried_once_by_their_keys(write_letter: Any) -> None:
    for offset, key in enumerate(("a", "a", "b")):
        await write_letter(offset, key)
    outcome = run("redrive", "inventory", "--all")
    assert (outcome.exit_code, outcome.stdout) == (1, "0 ended, keys with open ones: 2.\n")
    of_a, of_b = outcome.stderr.splitlines()
    assert (of_a.count("CloudEvent"), of_b.count("CloudEvent")) == (2, 1)
    run("discard", "inventory", "--key", "a")
    run("discard", "inventory", "--key", "b")
    nothing = run("redrive", "inventory", "--all")
    assert (nothing.exit_code, nothing.stdout) == (0, "0 ended, keys with open ones: 0.\n")


async def test_more_open_letters_than_a_list_can_have_are_told(
    write_letter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "MOST_ROWS", 3)
    for offset, key in enumerate(("a", "b", "c")):
        await write_letter(offset, key)
    outcome = run("redrive", "inventory", "--all")
    assert outcome.exit_code == 1
    assert "inventory has more than 2 open dead letters, and only the oldest were tried." in outcome.stderr


async def test_the_newest_of_many_open_letters_is_tried_too(write_letter: Any) -> None:
    for offset in range(101):
        await write_letter(offset, f"key-{offset}")
    outcome = run("redrive", "inventory", "--all")
    assert outcome.stdout == "0 ended, keys with open ones: 101.\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("redrive", "inventory"), "either --id or --key"),
        (("redrive", "inventory", "--all", "--key", "a"), "with --all, or with one of --id and --key"),
        (("discard", "inventory", "--id", "1", "--key", "a"), "either --id or --key"),
        (("show", "inventory", "77"), "77"),
    ],
)
async def test_what_cannot_be_done_is_one_sentence_with_the_cure(
    arguments: tuple[str, ...], says: str
) -> None:
    outcome = run(*arguments)
    assert isinstance(outcome.exception, UserError)
    assert says in str(outcome.exception)


async def test_republishing_says_how_much_is_sent_again(capsys: pytest.CaptureFixture[str]) -> None:
    dead_letters.republish("inventory")
    assert capsys.readouterr().out == "inventory sends 0 events again.\n"
