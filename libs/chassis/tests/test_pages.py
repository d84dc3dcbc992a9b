"""`chassis.web.pages` and the problems of an OpenAPI document: what listings and operations of all services share."""

import pytest

from chassis.web import PositionText, problem_answers
from chassis.web.pages import CURSORS


@pytest.mark.parametrize(
    ("read", "page", "has_next"),
    [
        ([], [], False),
        (["a"], ["a"], False),
        (["a", "b"], ["a", "b"], False),
        (["a", "b", "c"], ["a", "b"], True),
    ],
)
def test_a_page_has_a_cursor_if_more_rows_were_read_than_it_holds(
    read: list[str], page: list[str], has_next: bool
) -> None:
    rows, cursor = CURSORS.cut(read, 2, lambda row: [row])
    assert rows == page
    assert (cursor is not None) is has_next
    if cursor is not None:
        assert CURSORS.decode(cursor, tuple[PositionText]) == ("b",)


def test_problem_answers_are_described_by_status_as_problem_details() -> None:
    answers = problem_answers(_404="unknown-thing", _422="invalid-request")
    assert {status: answer["description"] for status, answer in answers.items()} == {
        404: "unknown-thing",
        422: "invalid-request",
    }
    for answer in answers.values():
        schema = answer["content"]["application/problem+json"]["schema"]
        assert {"type", "title", "status", "detail"} == set(schema["properties"])
