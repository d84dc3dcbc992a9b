"""A provider of events that breaks what a reader has written down is told the reader, the field and the way out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from _pytest.outcomes import XFailed
from pydantic import BaseModel

from chassis.events import ConsumedEvent, ConsumedPart, Envelope, Money, PublishedEvent, Time, encode
from chassis.inbox import Subscriptions
from chassis.kafka import publisher
from chassis.outbox import Transaction
from testkit.expectations import (
    ExpectedEvents,
    WrongExpectation,
    assert_events_as_expected,
    event_readers,
    files,
)
from testkit.expectations.provided import assert_key_is_subject
from testkit.expectations.sent_messages import SentMessage

TYPE = "parcels.parcel-sent.v1"
TOPIC = "parcels.parcel.v1"
ID = UUID("01980000-0000-7000-8000-00000000000b")
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class Piece(BaseModel):
    sku: str
    quantity: int


class ParcelSent(PublishedEvent, type=TYPE, topic=TOPIC, key="parcel_id"):
    """As the provider publishes it."""

    parcel_id: UUID
    pieces: list[Piece]
    value: Money
    sent_at: datetime


class ReadPiece(ConsumedPart):
    sku: str


class ReadParcelSent(ConsumedEvent, type=TYPE, topic=TOPIC, key="parcel_id"):
    """As the reader reads it."""

    parcel_id: UUID
    pieces: tuple[ReadPiece, ...]
    value: Money
    sent_at: Time


class ReadMore(ReadParcelSent, type=TYPE, topic=TOPIC, key="parcel_id"):
    weight: int


async def ignore(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
    """A handler without an effect."""


SENT = ParcelSent(
    parcel_id=ID,
    pieces=[Piece(sku="mug", quantity=2)],
    value=Money(amount_minor=1299, currency="EUR"),
    sent_at=NOW,
)


def write(folder: Path, model: type[ConsumedEvent], pending: Mapping[str, str] | None = None) -> None:
    """Write the expectations of a reader."""
    reader = ExpectedEvents("reader", Subscriptions({model: ignore}), pending or {})
    (folder / "reader").mkdir(exist_ok=True)
    (folder / "reader" / "parcels.json").write_text(files.text_of(reader.pact("parcels")))


async def findings(folder: Path, *published: PublishedEvent) -> str:
    """What a provider that publishes these events is told."""
    with pytest.raises(AssertionError) as told:
        await assert_events_as_expected("parcels", "reader", published, folder)
    return str(told.value)


async def test_events_with_all_that_is_read_pass(tmp_path: Path) -> None:
    write(tmp_path, ReadParcelSent)
    await assert_events_as_expected("parcels", "reader", [SENT], tmp_path)


async def test_a_field_that_is_dropped_is_told_with_its_reader(tmp_path: Path) -> None:
    class Shorter(PublishedEvent, type=TYPE, topic=TOPIC, key="parcel_id"):
        parcel_id: UUID
        pieces: list[Piece]
        value: Money

    write(tmp_path, ReadParcelSent)
    told = await findings(tmp_path, Shorter(**SENT.model_dump(exclude={"sent_at"})))
    assert f"reader reads `sent_at` of '{TYPE}', and parcels does not send it. The way out:" in told


async def test_a_field_of_a_part_that_is_renamed_is_told(tmp_path: Path) -> None:
    class Renamed(BaseModel):
        article: str

    class Other(PublishedEvent, type=TYPE, topic=TOPIC, key="parcel_id"):
        parcel_id: UUID
        pieces: list[Renamed]
        value: Money
        sent_at: datetime

    write(tmp_path, ReadParcelSent)
    told = await findings(
        tmp_path, Other(**SENT.model_dump(exclude={"pieces"}), pieces=[Renamed(article="mug")])
    )
    assert "sku` of" in told
    assert "parcels does not send it" in told


async def test_a_type_that_is_changed_is_told(tmp_path: Path) -> None:
    class Amount(BaseModel):
        amount_minor: str
        currency: str

    class Other(PublishedEvent, type=TYPE, topic=TOPIC, key="parcel_id"):
        parcel_id: UUID
        pieces: list[Piece]
        value: Amount
        sent_at: datetime

    write(tmp_path, ReadParcelSent)
    other = Other(**SENT.model_dump(exclude={"value"}), value=Amount(amount_minor="1299", currency="EUR"))
    assert "reader reads `value.amount_minor` of" in await findings(tmp_path, other)


async def test_a_header_that_is_renamed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(*attributes: Any) -> Any:
        return [("ce_kind" if name == "ce_type" else name, value) for name, value in encode(*attributes)]

    write(tmp_path, ReadParcelSent)
    monkeypatch.setattr(publisher, "encode", renamed)
    assert f"reader reads the header `ce_type` of '{TYPE}'" in await findings(tmp_path, SENT)


async def test_an_event_on_another_topic_is_told(tmp_path: Path) -> None:
    class Moved(ParcelSent, type=TYPE, topic="parcels.sent-parcel.v1", key="parcel_id"):
        """Published on another topic."""

    write(tmp_path, ReadParcelSent)
    assert "the header `topic`" in await findings(tmp_path, Moved(**SENT.model_dump()))


async def test_an_event_without_a_reader_is_verified_by_itself(tmp_path: Path) -> None:
    class Rekeyed(ParcelSent, type=TYPE, topic=TOPIC, key="sent_at"):
        """Published under a key that is not its subject."""

    [consumer] = event_readers("parcels", tmp_path)
    await assert_events_as_expected("parcels", consumer, [SENT], tmp_path)
    with pytest.raises(AssertionError, match="are not the same"):
        await assert_events_as_expected("parcels", consumer, [Rekeyed(**SENT.model_dump())], tmp_path)


async def test_a_reader_is_in_the_place_of_none(tmp_path: Path) -> None:
    [none] = event_readers("parcels", tmp_path)
    write(tmp_path, ReadParcelSent)
    assert event_readers("parcels", tmp_path) == ["reader"]
    with pytest.raises(AssertionError):
        await assert_events_as_expected("parcels", none, [SENT], tmp_path)


async def test_a_key_that_is_no_id_is_told(tmp_path: Path) -> None:
    class Rekeyed(ParcelSent, type=TYPE, topic=TOPIC, key="sent_at"):
        """Published under another key."""

    write(tmp_path, ReadParcelSent)
    with pytest.raises(AssertionError, match="are not the same"):
        await assert_events_as_expected("parcels", "reader", [Rekeyed(**SENT.model_dump())], tmp_path)


async def test_events_of_several_topics_are_verified_as_what_they_are(tmp_path: Path) -> None:
    class Lost(PublishedEvent, type="parcels.parcel-lost.v1", topic="parcels.loss.v1", key="parcel_id"):
        parcel_id: UUID

    write(tmp_path, ReadParcelSent)
    await assert_events_as_expected("parcels", "reader", [SENT, Lost(parcel_id=ID), SENT], tmp_path)


def test_a_key_that_is_not_the_subject_is_told() -> None:
    message = SentMessage(
        SENT, TOPIC, b"other", SENT.model_dump_json().encode(), [("ce_subject", str(ID).encode())]
    )
    with pytest.raises(AssertionError, match="bad-key"):
        assert_key_is_subject(message)


async def test_a_field_that_no_provider_has_is_told_with_its_reader(tmp_path: Path) -> None:
    write(tmp_path, ReadMore)
    assert "reader reads `weight` of" in await findings(tmp_path, SENT)


async def test_each_variant_of_an_event_is_verified(tmp_path: Path) -> None:
    class WithWeight(ParcelSent, type=TYPE, topic=TOPIC, key="parcel_id"):
        weight: int

    write(tmp_path, ReadMore)
    heavy = WithWeight(**SENT.model_dump(), weight=7)
    await assert_events_as_expected("parcels", "reader", [heavy], tmp_path)
    assert "reader reads `weight` of" in await findings(tmp_path, heavy, SENT)


async def test_what_is_pending_is_reported_and_fails_nothing(tmp_path: Path) -> None:
    write(tmp_path, ReadMore, {TYPE: "parcels will weigh them"})
    with pytest.raises(XFailed, match="pending: reader reads `weight` of"):
        await assert_events_as_expected("parcels", "reader", [SENT], tmp_path)


async def test_an_event_that_is_not_published_is_told(tmp_path: Path) -> None:
    class Other(PublishedEvent, type="parcels.parcel-lost.v1", topic=TOPIC, key="parcel_id"):
        parcel_id: UUID

    write(tmp_path, ReadParcelSent)
    with pytest.raises(
        WrongExpectation, match=f"reads the event {TYPE} of parcels .* publishes no such event"
    ):
        await assert_events_as_expected("parcels", "reader", [Other(parcel_id=ID)], tmp_path)
