"""A cell is green only if nothing was lost and messages crossed in both directions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shop_lab.skew.cells import Cell, Crossings, Expected, Question, expected_of
from shop_observe.topics import declared_topics
from shop_stack import paths

BOTH = Expected(old_to_new=True, new_to_old=True)
GREEN = Cell("orders", Question.BESIDE_OLD, 90, Crossings(7, 9), BOTH)


def test_a_cell_with_messages_in_both_directions_and_no_loss_is_green() -> None:
    assert (GREEN.ruling, GREEN.reason) == ("green", "")
    assert replace(GREEN, note="schema 0001 → 0002").reason == "schema 0001 → 0002"


@pytest.mark.parametrize(
    ("crossings", "named"),
    [
        (Crossings(0, 9), "N−1 → N"),
        (Crossings(7, 0), "N → N−1"),
        (Crossings(0, 0), "N−1 → N or N → N−1"),
    ],
)
def test_a_cell_without_messages_in_a_direction_is_vacuous(crossings: Crossings, named: str) -> None:
    cell = replace(GREEN, crossings=crossings)
    assert cell.ruling == "vacuous"
    assert cell.reason == f"nothing is proved: no message was handled {named}"


def test_a_cell_without_orders_is_vacuous() -> None:
    assert replace(GREEN, orders=0).ruling == "vacuous"


def test_a_cell_on_the_wrong_schema_is_vacuous() -> None:
    cell = replace(GREEN, missing="the schema is 0001, and that of N is 0002")
    assert cell.ruling == "vacuous"
    assert "0002" in cell.reason


def test_a_direction_in_which_no_message_can_cross_is_not_asked_for() -> None:
    cell = replace(GREEN, crossings=Crossings(7, 0), expected=Expected(old_to_new=True, new_to_old=False))
    assert cell.ruling == "green"
    assert cell.as_json()["messages"] == {"old_to_new": 7, "new_to_old": None}


def test_a_loss_makes_a_cell_red_even_if_too_little_was_tried() -> None:
    cell = replace(GREEN, crossings=Crossings(0, 0), losses=["lost: a", "lost: b", "lost: c", "lost: d"])
    assert cell.ruling == "red"
    assert cell.reason == "lost: a; lost: b; lost: c; and 1 more"
    assert cell.as_json()["losses"] == ["lost: a", "lost: b", "lost: c", "lost: d"]


@pytest.mark.parametrize(
    ("service", "question", "expected"),
    [
        ("orders", Question.BESIDE_OLD, BOTH),
        ("orders", Question.BESIDE_NEW, BOTH),
        ("analytics", Question.BESIDE_OLD, Expected(old_to_new=True, new_to_old=False)),
        ("analytics", Question.BESIDE_NEW, Expected(old_to_new=False, new_to_old=True)),
        ("analytics", Question.NEW_SCHEMA, Expected(old_to_new=False, new_to_old=True)),
    ],
)
def test_the_contract_says_in_which_directions_messages_can_cross(
    service: str, question: Question, expected: Expected
) -> None:
    assert expected_of(declared_topics(paths.contracts()), service, question) == expected
