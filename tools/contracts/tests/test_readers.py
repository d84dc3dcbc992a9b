"""Who reads an event, or a field of it."""

from __future__ import annotations

import pytest

from shop_contracts.contracts import Contracts
from shop_contracts.readers import who_reads
from shop_stack.errors import UserError
from tools.contracts.tests.mini_clone import LENT, Clone, pact

PACT = "contracts/consumers/desk/shelf.json"


def test_a_reader_is_shown_with_its_fields_and_the_version_that_runs(clone: Clone) -> None:
    found = who_reads(Contracts(clone.root), "book-lent", deployed={"desk": "0.1.0"})
    [reader] = found.readers
    assert (found.event, found.owner) == (LENT, "shelf")
    assert (reader.consumer, reader.deployed, reader.fields) == ("desk", "0.1.0", ("book_id", "fee.currency"))
    assert found.sentence == f"desk reads {LENT}, which shelf publishes."


@pytest.mark.parametrize("field", ["fee", "fee.currency"])
def test_a_field_is_read_with_its_parts(clone: Clone, field: str) -> None:
    found = who_reads(Contracts(clone.root), LENT, field)
    assert [reader.consumer for reader in found.readers] == ["desk"]
    assert found.sentence == f"desk reads `{field}` of {LENT}, which shelf publishes."


@pytest.mark.parametrize("field", ["reason", "fee.amount_minor", "pages[].number"])
def test_a_field_that_no_consumer_reads_is_told(clone: Clone, field: str) -> None:
    found = who_reads(Contracts(clone.root), LENT, field)
    assert found.readers == ()
    assert found.sentence == f"No consumer reads `{field}` of {LENT}, which shelf publishes."


def test_a_reader_without_a_file_may_read_each_field(clone: Clone) -> None:
    (clone.root / PACT).unlink()
    found = who_reads(Contracts(clone.root), LENT, "reason")
    [reader] = found.readers
    assert (reader.consumer, reader.fields) == ("desk", None)
    assert "(desk by its subscription alone)" in found.sentence
    assert found.as_json()["readers"][0]["fields"] is None


@pytest.mark.parametrize("field", ["pages", "pages[].number", "reason"])
def test_a_field_that_is_read_where_it_is_present_has_a_reader(clone: Clone, field: str) -> None:
    comment = '"comments": {"readsIfPresent": {"$.pages": "array", "$.reason": "string"}}, "contents"'
    clone.write(PACT, pact("desk", "shelf").replace('"contents"', comment))
    found = who_reads(Contracts(clone.root), LENT, field)
    assert [reader.consumer for reader in found.readers] == ["desk"]
    assert found.as_json()["readers"][0]["fields_if_present"] == ["pages", "reason"]


def test_a_part_of_an_item_is_read_where_it_is_present(clone: Clone) -> None:
    comment = '"comments": {"readsIfPresent": {"$.pages[*].number": "integer"}}, "contents"'
    clone.write(PACT, pact("desk", "shelf", pages=[{}]).replace('"contents"', comment))
    assert who_reads(Contracts(clone.root), LENT, "pages[].number").readers != ()
    assert who_reads(Contracts(clone.root), LENT, "fee").readers == ()


def test_a_pending_reader_is_shown_as_such(clone: Clone) -> None:
    text = pact("desk", "shelf").replace('"contents"', '"pending": true, "contents"')
    clone.write(PACT, text)
    assert who_reads(Contracts(clone.root), LENT).readers[0].pending


def test_an_unknown_event_is_named_with_those_that_are_meant(clone: Clone) -> None:
    with pytest.raises(UserError, match=r"no event 'book-lend'\. Did you mean shelf\.book-lent\.v1"):
        who_reads(Contracts(clone.root), "book-lend")


def test_an_unknown_field_is_named_with_those_that_exist(clone: Clone) -> None:
    with pytest.raises(
        UserError, match=r"no field 'total': its fields are book_id, reason, fee, fee\.amount_minor"
    ):
        who_reads(Contracts(clone.root), LENT, "total")
