"""The pairs that meet, and what each consumer has written down."""

from __future__ import annotations

import json

import pytest

from shop_contracts.answer.pairs import Pair, Unwritten, pairs_of
from shop_stack.errors import UserError
from tools.contracts.tests.mini_clone import LENT, Clone, pact

PACT = "contracts/consumers/desk/shelf.json"


def pairs_for(clone: Clone) -> list[Pair]:
    """The pairs of shelf 0.1.0 with desk 0.1.0."""
    found = pairs_of(clone.root, clone.release("shelf"), [clone.release("desk")])
    return [one for one in found if isinstance(one, Pair)]


def test_a_consumer_that_runs_meets_the_release_that_is_asked_about(clone: Clone) -> None:
    [pair] = pairs_for(clone)
    assert (pair.consumer.name, pair.consumer.version) == ("desk", "0.1.0")
    assert (pair.provider.name, pair.provider.version) == ("shelf", "0.1.0")
    assert [one.subject for one in pair.expectations] == [LENT]


def test_the_release_that_is_asked_about_meets_the_provider_that_runs(clone: Clone) -> None:
    shelf = clone.release("shelf")
    [pair] = pairs_of(clone.root, clone.release("desk"), [shelf])
    assert isinstance(pair, Pair)
    assert (pair.consumer.name, pair.provider.name) == ("desk", "shelf")


def test_the_expectations_are_those_of_the_release_and_not_of_today(clone: Clone) -> None:
    desk = clone.release("desk")
    clone.write(PACT, pact("desk", "shelf", [LENT], pages=[{"number": 1}]))
    clone.commit()
    [pair] = pairs_of(clone.root, clone.release("shelf"), [desk])
    assert isinstance(pair, Pair)
    assert "fee.currency" in pair.expectations[0].fields
    assert "pages" not in pair.expectations[0].fields


def test_since_is_the_first_release_that_has_read_it_without_a_break(clone: Clone) -> None:
    other = "shelf.book-lost.v1"
    versions = [("0.1.0", [LENT]), ("0.2.0", [other]), ("0.3.0", [LENT, other]), ("0.4.0", [LENT, other])]
    for version, types in versions:
        clone.write(PACT, pact("desk", "shelf", types))
        desk = clone.release("desk", version)
    [pair] = pairs_of(clone.root, clone.release("shelf"), [desk])
    assert isinstance(pair, Pair)
    assert {name: label.partition(" ")[0] for name, label in pair.since.items()} == {
        LENT: "0.3.0",
        other: "0.2.0",
    }


def test_a_release_after_the_one_that_runs_does_not_count(clone: Clone) -> None:
    desk = clone.release("desk")
    clone.write(PACT, pact("desk", "shelf", [LENT], pages=[]))
    clone.release("desk", "0.2.0")
    [pair] = pairs_of(clone.root, clone.release("shelf"), [desk])
    assert isinstance(pair, Pair)
    assert pair.since == {LENT: "0.1.0 (2026-11-29)"}


def test_a_tool_that_calls_an_api_is_a_consumer_of_this_clone(clone: Clone) -> None:
    text = {
        "consumer": {"name": "shop"},
        "provider": {"name": "shelf"},
        "interactions": [
            {
                "type": "Synchronous/HTTP",
                "description": "a book",
                "request": {"method": "get", "path": "/books/b-1"},
                "response": {"status": 200, "body": {"content": {"title": "T"}}},
            }
        ],
    }
    clone.write("contracts/consumers/shop/shelf.json", json.dumps(text))
    pair = next(one for one in pairs_for(clone) if one.consumer.name == "shop")
    assert pair.consumer.version == "this clone"
    assert pair.expectations[0].subject == "GET /books/b-1"


def test_a_reader_that_has_written_down_nothing_is_found(clone: Clone) -> None:
    (clone.root / PACT).unlink()
    found = pairs_of(clone.root, clone.release("shelf"), [clone.release("desk")])
    assert [(one.consumer.name, one.provider.name) for one in found if isinstance(one, Unwritten)] == [
        ("desk", "shelf")
    ]


def test_a_file_for_an_unknown_provider_is_named(clone: Clone) -> None:
    """The provider was a service when the release was made."""
    clone.write("contracts/consumers/desk/lamp.json", pact("desk", "lamp"))
    clone.write("services/lamp/pyproject.toml", "[project]\n")
    release = clone.release("desk")
    (clone.root / "services/lamp/pyproject.toml").unlink()
    with pytest.raises(
        UserError, match=r"desk/lamp\.json expects something of 'lamp'.*desk, issuer, processor, shelf"
    ):
        pairs_of(clone.root, release, [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is no Pact file"),
        ('{"consumer": {"name": "desk"}, "provider": {"name": "shelf"}}', "is no Pact file"),
        (pact("desk", "lamp"), "is that of desk and lamp: do not rename it"),
    ],
)
def test_a_damaged_file_is_named_with_the_cure(clone: Clone, text: str, why: str) -> None:
    clone.write(PACT, text)
    desk = clone.release("desk")
    shelf = clone.release("shelf")
    with pytest.raises(UserError, match=why) as error:
        pairs_of(clone.root, shelf, [desk])
    assert "run the contract tests of desk" in str(error.value)
