"""What a reader of events writes down: all that it needs, nothing else, and always the same text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, SecretStr

from chassis.events import ConsumedEvent, ConsumedPart, Envelope, Money, Time
from chassis.inbox import Subscriptions
from chassis.outbox import Transaction
from testkit.expectations import ExpectedEvents, assert_no_other_files, files, keep
from testkit.expectations.consumed import IF_PRESENT, UnknownValue
from testkit.expectations.fields import fields_of
from testkit.expectations.matchers import each, example_of, integer, moment, text, unique_id

TYPE = "parcels.parcel-sent.v1"
TOPIC = "parcels.parcel.v1"


class Piece(ConsumedPart):
    sku: Annotated[str, Field(min_length=1)]
    quantity: Annotated[int, Field(ge=2)]


class ParcelSent(ConsumedEvent, type=TYPE, topic=TOPIC, key="parcel_id"):
    parcel_id: UUID
    pieces: tuple[Piece, ...]
    value: Money
    secret: SecretStr
    sent_at: Time
    note: str | None = None


async def ignore(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
    """A handler without an effect."""


READER = ExpectedEvents("reader", Subscriptions({ParcelSent: ignore}))


def interaction_in(path: Path) -> dict[str, Any]:
    [interaction] = json.loads(path.read_text())["interactions"]
    return dict(interaction)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reader's file, as `make contracts` writes it."""
    monkeypatch.setenv(files.WRITE, "1")
    keep(READER.pact("parcels"), tmp_path)
    monkeypatch.delenv(files.WRITE)
    return tmp_path / "reader" / "parcels.json"


def test_the_fields_of_a_model_and_of_its_parts_are_written_down_with_their_types() -> None:
    fields = fields_of(ParcelSent)
    money = fields.required.pop("value")
    assert fields.required == {
        "parcel_id": unique_id(),
        "pieces": each({"sku": text("sku"), "quantity": integer(2)}),
        "secret": text("secret"),
        "sent_at": moment(),
    }
    assert example_of(money) == {"amount_minor": 1, "currency": "EUR"}
    assert fields.if_present == {"$.note": "string"}


def test_a_field_of_which_no_example_can_be_made_is_named() -> None:
    class Odd(BaseModel):
        code: Annotated[str, Field(pattern="^[A-Z]$")]

    with pytest.raises(TypeError, match=r"\$\.code of Odd.*has a pattern and no example"):
        fields_of(Odd)


def test_the_key_and_the_headers_are_written_down(written: Path) -> None:
    metadata = interaction_in(written)["metadata"]
    assert (
        metadata["key"]
        == metadata["ce_subject"]
        == interaction_in(written)["contents"]["content"]["parcel_id"]
    )
    assert (metadata["ce_type"], metadata["ce_source"], metadata["topic"]) == (TYPE, "/parcels", TOPIC)
    assert {"traceparent", "content-type", "ce_id", "ce_time"} <= set(metadata)


def test_fields_that_are_read_where_they_are_present_are_a_comment(written: Path) -> None:
    assert interaction_in(written)["comments"][IF_PRESENT] == {"$.note": "string"}


def test_the_text_has_no_time_and_no_versions_of_tools_and_does_not_change(written: Path) -> None:
    assert json.loads(written.read_text())["metadata"] == {"pactSpecification": {"version": "4.0"}}
    assert files.text_of(READER.pact("parcels")) == written.read_text()


def test_what_is_written_down_is_read_and_needed() -> None:
    READER.assert_read_and_needed()


def test_a_field_that_is_expected_and_not_needed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = fields_of(ParcelSent)
    more = needed._replace(required={**needed.required, "weight": integer()})
    monkeypatch.setattr("testkit.expectations.consumed.fields_of", lambda _: more)
    with pytest.raises(
        AssertionError, match=f"reader expects the field weight of {TYPE}, and reads the event"
    ):
        READER.assert_read_and_needed()


def test_a_file_that_is_missing_or_old_is_told_with_the_rule_and_the_cure(
    tmp_path: Path, written: Path
) -> None:
    keep(READER.pact("parcels"), tmp_path)
    written.write_text(written.read_text().replace("sent_at", "left_at"))
    with pytest.raises(AssertionError) as old:
        keep(READER.pact("parcels"), tmp_path)
    assert "contracts/consumers/reader/parcels.json differs from what the code of reader reads" in str(
        old.value
    )
    assert "run `make contracts`" in str(old.value)
    assert '+          "sent_at"' in str(old.value)
    written.unlink()
    with pytest.raises(AssertionError, match="is missing, and has what the code of reader reads"):
        keep(READER.pact("parcels"), tmp_path)


def test_a_file_of_a_provider_that_is_not_read_any_more_is_told_and_deleted(
    tmp_path: Path, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_no_other_files("reader", ["parcels"], tmp_path)
    with pytest.raises(AssertionError, match="reader reads nothing of parcels any more"):
        assert_no_other_files("reader", ["letters"], tmp_path)
    monkeypatch.setenv(files.WRITE, "1")
    assert_no_other_files("reader", ["letters"], tmp_path)
    assert not written.exists()


def test_a_service_has_a_file_for_each_provider_and_no_other(tmp_path: Path, written: Path) -> None:
    READER.assert_written(folder=tmp_path)
    called = written.with_name("processor.json")
    called.write_text("{}")
    READER.assert_written("processor", folder=tmp_path)
    with pytest.raises(AssertionError, match="reader reads nothing of processor any more"):
        READER.assert_written(folder=tmp_path)
    written.unlink()
    with pytest.raises(AssertionError, match=r"reader/parcels\.json is missing"):
        READER.assert_written("processor", folder=tmp_path)


def test_a_reader_that_refuses_an_unknown_value_is_told_the_way_out() -> None:
    class Rejected(ConsumedEvent, type="orders.order-rejected.v1", topic="orders.order.v1", key="order_id"):
        order_id: UUID
        reason: Literal["out_of_stock", "payment_declined"]

    reader = ExpectedEvents("reader", Subscriptions({Rejected: ignore}))
    [value] = reader.unknown_values
    assert value == UnknownValue("orders.order-rejected.v1", ("reason",))
    with pytest.raises(
        AssertionError, match=r"reader refuses orders\.order-rejected\.v1 reason with a value"
    ):
        reader.assert_reads_unknown_values()


def test_a_reader_that_needs_a_field_which_may_be_absent_is_told_so() -> None:
    class Rejected(ConsumedEvent, type="orders.order-rejected.v1", topic="orders.order.v1", key="order_id"):
        order_id: UUID
        reason: str
        language: str

    reader = ExpectedEvents("reader", Subscriptions({Rejected: ignore}))
    with pytest.raises(
        AssertionError,
        match=r"reader cannot read an example of orders\.order-rejected\.v1: language: Field required\..*default",
    ):
        reader.assert_reads_unknown_values()
