"""Messages of one shape are read alike, and those of different shapes may not be."""

from __future__ import annotations

from typing import Any

import pytest

from shop_contracts.answer.shapes import listed_names, shape_of
from shop_contracts.answer.stored import Groups, Message
from tools.contracts.tests.mini_clone import SCHEMA

BOOK: dict[str, Any] = {
    "book_id": "01980000-0000-7000-8000-00000000000a",
    "reason": "loan",
    "fee": {"amount_minor": 250, "currency": "EUR"},
    "pages": [{"number": 1}, {"number": 1}],
    "at": "2026-03-02T09:00:00Z",
}
LISTED = frozenset({"reason"})


@pytest.mark.parametrize(
    "change",
    [
        {"book_id": "01980000-0000-7000-8000-00000000000b"},
        {"fee": {"amount_minor": 260, "currency": "EUR"}},
        {"at": "2026-03-02T09:00:01.5Z"},
        {"pages": [{"number": 1}] * 3},
    ],
)
def test_other_values_of_one_kind_are_one_shape(change: dict[str, Any]) -> None:
    assert shape_of(BOOK, LISTED) == shape_of(BOOK | change, LISTED)


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"reason": "gift"},
        {"book_id": "no uuid"},
        {"fee": {"amount_minor": 2**40, "currency": "EUR"}},
        {"fee": {"amount_minor": -1, "currency": "EUR"}},
        {"fee": {"amount_minor": 250.5, "currency": "EUR"}},
        {"fee": {"amount_minor": 250, "currency": "XXX"}},
        {"fee": {"amount_minor": 250}},
        {"fee": None},
        {"at": "2026-03-02T09:00:00"},
        {"at": "2026-03-02T09:00:00+01:00"},
        {"pages": []},
        {"pages": [{"number": "1"}]},
        {"pages": [{"number": 1}, {"number": None}]},
    ],
)
def test_a_difference_that_a_reader_may_refuse_is_another_shape(change: dict[str, Any]) -> None:
    assert shape_of(BOOK, LISTED) != shape_of(BOOK | change, LISTED)


def test_the_listed_properties_of_a_schema_are_found_at_any_depth() -> None:
    nested = {"properties": {"lines": {"items": {"properties": {"kind": {"x-extensible-enum": ["a"]}}}}}}
    assert listed_names(SCHEMA) == {"reason"}
    assert listed_names(nested) == {"kind"}


def message(offset: int, value: bytes | None, subject: bytes = b"k") -> Message:
    headers = (("ce_type", b"shelf.book-lent.v1"), ("ce_subject", subject))
    return Message(f"t[0]@{offset}", "t", 0, offset, b"k", value, headers, 1_000 * offset)


def test_of_many_messages_of_one_shape_the_first_is_kept() -> None:
    groups = Groups()
    for offset in range(1_000):
        groups.add("t", message(offset, b'{"number": %d}' % (50 + offset % 50)))
    [group] = groups.all()
    assert (group.count, group.first.offset) == (1_000, 0)


@pytest.mark.parametrize(
    "other",
    [
        message(1, None),
        message(1, b"{"),
        message(1, b'{"number": "1"}'),
        message(1, b'{"number": 1}', subject=b"another"),
    ],
)
def test_a_message_that_is_no_event_has_a_shape_of_its_own(other: Message) -> None:
    groups = Groups()
    groups.add("t", message(0, b'{"number": 1}'))
    groups.add("t", other)
    assert len(groups.all()) == 2


def test_a_source_has_groups_of_its_own() -> None:
    groups = Groups()
    groups.add("t", message(0, b"{}"))
    groups.add("outbox of shelf", message(1, b"{}"))
    assert [group.source for group in groups.all()] == ["t", "outbox of shelf"]
