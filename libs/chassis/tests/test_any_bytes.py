"""No record on a topic stops a consumer: any bytes, through aiokafka's parser, into the inbox, on PostgreSQL."""

import struct
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from chassis.events import RawMessage, Undecodable, decode
from chassis.events.envelope import UNREADABLE
from chassis.inbox import Inbox
from chassis.kafka import salvage, tolerant_record_batches
from chassis.kafka.batches import messages_of
from chassis.kafka.inflate import MAX_INFLATED_BYTES, Uninflatable, inflate
from chassis.kafka.salvage import MAX_HEADERS, MAX_RECORD_BYTES
from chassis.kafka.tolerant_record_batches import MAX_RECORDS
from chassis.outbox import Database
from chassis.tuning import tolerant_records
from libs.chassis.tests.any_bytes import (
    CODECS,
    RawRecord,
    batch_bytes,
    compress,
    consumed,
    good_record,
    record_bytes,
    varint,
)

EffectsIn = Callable[[Database], Awaitable[list[tuple[str, int]]]]

SOME_BYTES = st.binary(max_size=40) | st.sampled_from(
    [b"\x00", b"a\x00b", b"\xff\xfe", "\ud800".encode(errors="surrogatepass")]
)
HEADER_NAMES = SOME_BYTES | st.sampled_from(
    [
        b"ce_id",
        b"ce_type",
        b"ce_source",
        b"ce_time",
        b"ce_subject",
        b"ce_correlationid",
        b"traceparent",
        b"content-type",
    ]
)
ANY_RECORD = st.builds(
    RawRecord,
    st.none() | SOME_BYTES,
    st.none() | SOME_BYTES,
    st.lists(st.tuples(HEADER_NAMES, st.none() | SOME_BYTES), max_size=5),
)


@st.composite
def nearly_good_records(draw: st.DrawFn) -> RawRecord:
    """A valid event of which one part is any bytes."""
    record = good_record(draw(st.sampled_from(["mug", "cup"])), draw(st.integers(0, 9)))
    part = draw(
        st.sampled_from(["key", "value", "name of a header", "value of a header", "further header", "JSON"])
    )
    anything = draw(SOME_BYTES)
    headers = list(record.headers)
    at = draw(st.integers(0, len(headers) - 1))
    match part:
        case "key":
            return record._replace(key=anything)
        case "value":
            return record._replace(value=anything)
        case "name of a header":
            headers[at] = (anything, headers[at][1])
        case "value of a header":
            headers[at] = (headers[at][0], anything)
        case "further header":
            headers.append((anything, anything))
        case _:
            string = draw(st.sampled_from([r"\u0000", r"\ud800", r"\\u0000", "x" * 600, r"\udc00\ud800"]))
            return record._replace(value=b'{"name": "' + string.encode() + b'", "number": 1}')
    return record._replace(headers=headers)


@pytest.fixture(autouse=True)
def any_bytes_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in every service; other tests of this process see aiokafka's own parser again."""
    monkeypatch.setattr(fetcher, "MemoryRecords", fetcher.MemoryRecords)
    monkeypatch.setattr(fetcher, "PartitionRecords", fetcher.PartitionRecords)
    tolerant_records.read_any_bytes()


def reasons(records: Any) -> list[str]:
    """Why each of the records is no event; an empty text for one that is."""
    found = []
    for message in messages_of(records):
        try:
            decode(message)
            found.append("")
        except Undecodable as error:
            found.append(error.reason)
    return found


def test_a_good_batch_is_read_as_aiokafka_reads_it() -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 100_000)
    for number in range(5):
        builder.append(
            number, 1_000 + number, b"key", b"value %d" % number, [("name", b"\xff"), ("none", None)]
        )
    records, next_offset = consumed(bytes(builder.build()))
    assert [(r.offset, r.timestamp, r.key, r.value) for r in records] == [
        (n, 1_000 + n, b"key", b"value %d" % n) for n in range(5)
    ]
    assert all(record.headers == (("name", b"\xff"), ("none", None)) for record in records)
    assert next_offset == 5


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_of_kafka_is_read(codec: str) -> None:
    rows = [record_bytes(good_record("mug", number), number) for number in range(100)]
    records, next_offset = consumed(batch_bytes(rows, codec=codec))
    assert reasons(records) == [""] * 100
    assert next_offset == 100


def test_snappy_is_read_in_the_framing_of_javas_producers() -> None:
    rows = [record_bytes(good_record("mug", number), number) for number in range(2_000)]
    builder = DefaultRecordBatchBuilder(2, CODECS["snappy"], 0, -1, -1, 0, 1_000_000)
    for number in range(len(rows)):
        builder.append(number, 0, b"key", rows[number], [])
    response = bytes(builder.build())
    values: list[bytes] = []
    while len(values) < len(rows):
        records, _ = consumed(response, len(values))
        values += [record.value for record in records]
    assert values == rows


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "none"])
def test_a_small_batch_that_inflates_without_end_is_refused_within_the_limit(codec: str) -> None:
    endless = bytes(MAX_INFLATED_BYTES + 1)
    with pytest.raises(Uninflatable):
        inflate(CODECS[codec], compress(codec, endless))
    huge = RawRecord(None, endless, [])
    records, next_offset = consumed(batch_bytes([record_bytes(huge, 0)], codec=codec))
    assert reasons(records) == ["unreadable"]
    assert next_offset == 1


@given(data=st.binary(max_size=200), codec=st.integers(0, 7))
def test_any_bytes_are_inflated_or_refused(data: bytes, codec: int) -> None:
    try:
        assert len(inflate(codec, data)) <= MAX_INFLATED_BYTES
    except Uninflatable:
        pass  # refused


def test_a_name_of_a_header_that_is_not_utf8_leaves_the_event_as_it_is() -> None:
    record = good_record("mug", 1)
    odd = record._replace(headers=[*record.headers, (b"\xff\xfe", b"\xff")])
    rows = [record_bytes(row, number) for number, row in enumerate([record, odd, record])]
    records, next_offset = consumed(batch_bytes(rows))
    assert reasons(records) == ["", "", ""]
    assert [record.offset for record in records] == [0, 1, 2]
    assert records[1].headers[-1] == (r"\xff\xfe", b"\xff")
    assert next_offset == 3


def test_a_batch_with_a_wrong_crc_is_one_letter_and_the_batches_around_it_are_read() -> None:
    row = [record_bytes(good_record("mug", number), number) for number in range(3)]
    before = batch_bytes(row, base_offset=10)
    damaged = batch_bytes(row, base_offset=13, crc=1)
    after = batch_bytes(row, base_offset=16)
    records, next_offset = consumed(before + damaged + after, fetch_offset=10)
    assert reasons(records) == ["", "", "", "unreadable", "", "", ""]
    assert [record.offset for record in records] == [10, 11, 12, 15, 16, 17, 18]
    assert records[3].value == damaged
    assert next_offset == 19


def test_behind_a_damaged_batch_at_the_end_reading_goes_on_behind_its_last_offset() -> None:
    rows = [record_bytes(good_record("mug", number), number) for number in range(3)]
    records, next_offset = consumed(batch_bytes(rows, base_offset=13, crc=1), fetch_offset=13)
    assert reasons(records) == ["unreadable"]
    assert next_offset == 16
    # Fetched again from its last offset, it is the same letter.
    again, _ = consumed(batch_bytes(rows, base_offset=13, crc=1), fetch_offset=15)
    assert [record.offset for record in again] == [record.offset for record in records] == [15]


@pytest.mark.parametrize("delta", [-1, -(2**31), 2**31 - 1])
def test_the_header_of_a_damaged_batch_cannot_send_the_reader_away(delta: int) -> None:
    row = [record_bytes(good_record("mug", 1), 0)]
    _, next_offset = consumed(
        batch_bytes(row, base_offset=13, crc=1, last_offset_delta=delta), fetch_offset=13
    )
    assert next_offset == 14


def test_a_malformed_record_is_one_letter_and_its_neighbours_are_read() -> None:
    good = [record_bytes(good_record("mug", number), number) for number in range(3)]
    malformed = varint(4) + b"\x00\x00\x02\xff"
    records, next_offset = consumed(batch_bytes([good[0], malformed, good[2]]))
    assert reasons(records) == ["", "unreadable", ""]
    assert [record.offset for record in records] == [0, 1, 2]
    assert next_offset == 3


def test_a_record_that_is_too_large_is_kept_in_part() -> None:
    record = good_record("mug", 1, ce_correlationid=b"x" * 2_000_000)
    records, _ = consumed(batch_bytes([record_bytes(record, 0)], codec="gzip"))
    assert reasons(records) == ["unreadable"]
    assert records[0].key == b"mug"
    assert sum(len(value or b"") for _, value in records[0].headers) < MAX_RECORD_BYTES


def test_a_partition_with_very_many_records_lets_the_others_have_their_turn() -> None:
    rows = [record_bytes(RawRecord(None, None, []), number) for number in range(5_000)]
    response = batch_bytes(rows, codec="zstd")
    offsets: list[int] = []
    next_offset = 0
    while next_offset < 5_000:
        records, next_offset = consumed(response, next_offset)
        assert 0 < len(records) <= MAX_RECORDS
        offsets += [record.offset for record in records]
    assert offsets == list(range(5_000))


@pytest.mark.parametrize("malformed", [False, True])
def test_a_batch_that_is_read_in_parts_is_read_once(monkeypatch: pytest.MonkeyPatch, malformed: bool) -> None:
    parsed = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def count(*arguments: Any) -> Any:
            nonlocal parsed
            parsed += 1
            return function(*arguments)

        return count

    monkeypatch.setattr(tolerant_record_batches, "end_of_record", counted(salvage.end_of_record))
    monkeypatch.setattr(salvage, "_parse", counted(salvage._parse))
    rows = [record_bytes(RawRecord(None, None, []), number) for number in range(5_000)]
    if malformed:
        rows[0] = varint(4) + b"\x00\x00\x02\xff"
    response = batch_bytes(rows, codec="zstd")
    next_offset = 0
    responses = 0
    while next_offset < 5_000:
        _, next_offset = consumed(response, next_offset)
        responses += 1
    assert parsed <= 5_000 + 2 * responses
    assert [record.offset for record in consumed(response)[0]] == list(range(MAX_RECORDS))  # from its start


@pytest.mark.parametrize(("codec", "headers"), [("none", 400_000), ("gzip", 1_000_000), ("gzip", 4_000_000)])
def test_a_record_of_empty_headers_takes_little_memory(codec: str, headers: int) -> None:
    body = b"\x00" + varint(0) + varint(1) + varint(1) + b"k" + varint(0) + varint(headers)
    body += bytes(2 * headers)  # an empty name and an empty value are two zeros
    crowded = varint(len(body)) + body
    good = good_record("mug", 1)
    response = batch_bytes([record_bytes(good, 0), crowded, record_bytes(good, 2)], codec=codec)
    tracemalloc.start()
    records, next_offset = consumed(response)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
    assert all(len(record.headers) <= MAX_HEADERS for record in records)
    assert "unreadable" in reasons(records)
    assert next_offset == 3


@pytest.mark.parametrize("codec", ["none", "gzip"])
@pytest.mark.parametrize("attributes", [b"\x00", b"\x80\x00"])
@pytest.mark.parametrize("hidden", [0, 2, 900_000])
def test_a_record_with_a_wrong_length_hides_no_headers(codec: str, attributes: bytes, hidden: int) -> None:
    begin = attributes + varint(0) * 2 + varint(-1) * 2
    begin += varint(450_000)
    length = len(begin) - hidden if hidden < len(begin) else len(begin) + hidden
    response = batch_bytes([varint(length) + begin + bytes(900_000)], codec=codec)
    tracemalloc.start()
    records, next_offset = consumed(response)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
    assert reasons(records) == ["unreadable"]
    assert next_offset == 1


@settings(max_examples=30, deadline=None)
@given(
    headers=st.integers(0, 5_000),
    name=st.sampled_from([b"", b"a"]),
    value=st.sampled_from([None, b"", b"b"]),
    codec=st.sampled_from(["none", "zstd"]),
)
@example(headers=MAX_HEADERS, name=b"", value=None, codec="none")
@example(headers=MAX_HEADERS + 1, name=b"", value=None, codec="none")
@example(headers=MAX_HEADERS + 1, name=b"", value=None, codec="zstd")
def test_a_record_that_is_read_has_a_limited_number_of_headers(
    headers: int, name: bytes, value: bytes | None, codec: str
) -> None:
    rows = [good_record("mug", 1), RawRecord(b"k", b"", [(name, value)] * headers), good_record("mug", 2)]
    records, next_offset = consumed(
        batch_bytes([record_bytes(row, number) for number, row in enumerate(rows)], codec=codec)
    )
    assert [record.offset for record in records] == [0, 1, 2]
    assert all(len(record.headers) <= MAX_HEADERS for record in records)
    assert reasons(records) == ["", "no-headers" if headers <= MAX_HEADERS else "unreadable", ""]
    assert next_offset == 3


@pytest.mark.parametrize("wrong", [-1, 0, 2, 7, 2**40])
def test_a_producer_cannot_choose_the_offset_of_its_record(wrong: int) -> None:
    good = good_record("mug", 1)
    rows = [record_bytes(good, 0), record_bytes(good, wrong), record_bytes(good, 2)]
    after = batch_bytes([record_bytes(good, number) for number in range(20)], base_offset=8)
    records, next_offset = consumed(batch_bytes(rows, base_offset=5) + after, fetch_offset=5)
    assert [record.offset for record in records] == list(range(5, 28))
    assert reasons(records) == ["", "unreadable", *[""] * 21]
    assert next_offset == 28


def test_gaps_between_batches_and_in_compacted_ones_are_no_faults() -> None:
    rows = [record_bytes(good_record("mug", number), number) for number in range(3)]
    compacted = batch_bytes([rows[0], rows[2]], base_offset=30, last_offset_delta=4)
    response = batch_bytes(rows, base_offset=10) + batch_bytes(rows, base_offset=20) + compacted
    records, next_offset = consumed(response, fetch_offset=9)
    assert reasons(records) == [""] * 8
    assert [record.offset for record in records] == [10, 11, 12, 20, 21, 22, 30, 32]
    assert next_offset == 35


@given(response=st.binary(max_size=300), fetch_offset=st.integers(0, 2**40))
@example(response=b"\x00" * 61, fetch_offset=0)
@example(response=struct.pack(">qi", 0, 2**31 - 1) + bytes(100), fetch_offset=5)
@example(response=struct.pack(">qi", 0, -1) + bytes(100), fetch_offset=5)
def test_any_response_is_read_and_the_next_one_is_asked_for_behind_it(
    response: bytes, fetch_offset: int
) -> None:
    records, next_offset = consumed(response, fetch_offset)
    offsets = [record.offset for record in records]
    assert offsets == sorted(set(offsets))
    assert all(fetch_offset <= offset < next_offset for offset in offsets)
    assert next_offset > fetch_offset or not response


@settings(max_examples=300)
@given(
    records=st.lists(ANY_RECORD, min_size=1, max_size=4),
    codec=st.sampled_from(list(CODECS)),
    flipped=st.integers(0, 10_000),
    wrong=st.integers(1, 255),
    repaired=st.booleans(),
)
def test_a_batch_with_any_wrong_byte_is_read_or_is_letters(
    records: list[RawRecord], codec: str, flipped: int, wrong: int, repaired: bool
) -> None:
    rows = [record_bytes(record, number) for number, record in enumerate(records)]
    batch = bytearray(batch_bytes(rows, base_offset=7, codec=codec))
    batch[flipped % len(batch)] ^= wrong
    if repaired:  # as a producer that computes its CRC over what is wrong
        body = bytes(batch[21:])
        batch[17:21] = struct.pack(">I", calc_crc32c(body))
    after = batch_bytes([record_bytes(good_record("mug", 1), 0)], base_offset=7 + len(rows))
    found, next_offset = consumed(bytes(batch) + after, fetch_offset=7)
    assert found
    assert next_offset > 7
    offsets = [record.offset for record in found]
    assert offsets == sorted(set(offsets))


_example = iter(range(10**9))


def names() -> Iterator[str]:
    """A new key for each example: the database outlives the examples."""
    return (f"good-{number}" for number in _example)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    odd=st.lists(ANY_RECORD | nearly_good_records(), min_size=1, max_size=4),
    codec=st.sampled_from(list(CODECS)),
)
async def test_any_record_is_an_effect_or_a_letter_and_its_neighbours_are_handled(
    inbox: Inbox, db: Database, effects_in: EffectsIn, odd: list[RawRecord], codec: str
) -> None:
    first, last = next(names()), next(names())
    offset = next(_example) * 10
    rows = [good_record(first, 1), *odd, good_record(last, 2)]
    response = batch_bytes(
        [record_bytes(row, number) for number, row in enumerate(rows)], base_offset=offset, codec=codec
    )
    records, next_offset = consumed(response, offset)
    assert next_offset == offset + len(rows)
    assert len(records) == len(rows)
    await inbox.process(messages_of(records))
    await inbox.process(messages_of(records))  # delivered again
    done = await effects_in(db)
    assert done.count((first, 1)) == done.count((last, 2)) == 1
    unreadable = [record for record, reason in zip(records, reasons(records), strict=True) if reason]
    async with db.reading() as connection:
        found = await connection.rows(
            text('SELECT topic, partition, "offset" FROM dead_letters WHERE "offset" BETWEEN :a AND :b'),
            {"a": offset, "b": next_offset},
        )
    letters = {(row.topic, row.partition, row.offset) for row in found}
    assert letters >= {(record.topic, record.partition, record.offset) for record in unreadable}


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({"ce_subject": b"a\x00b"}, "bad-subject"),
        ({"ce_source": b"/things\x00"}, "bad-source"),
        ({"ce_source": b"/others"}, "bad-source"),
        ({"ce_source": b"x" * 501}, "bad-source"),
        ({"ce_type": b"\xff"}, "bad-type"),
        ({"ce_correlationid": b"\x00"}, "bad-correlationid"),
        ({"ce_correlationid": b"x" * 2_000}, "bad-correlationid"),
        ({"ce_time": b"9999-12-31T23:59:59-14:00"}, "bad-time"),
        ({"ce_time": b"1700000000"}, "bad-time"),
        ({"ce_time": b"2026-03-02 09:00:00Z"}, "bad-time"),
        ({"ce_time": b"2026-03-02T09:00:00"}, "bad-time"),
        ({"ce_id": b"01985f0e000070008000000000000001"}, "bad-id"),
        ({"ce_id": b"01985F0E-0000-7000-8000-000000000001"}, "bad-id"),
        ({"ce_id": b"{01985f0e-0000-7000-8000-000000000001}"}, "bad-id"),
        ({"ce_subject": None}, "no-subject"),
        ({"ce_subject": b"cup"}, "bad-key"),
    ],
)
async def test_an_attribute_that_cannot_be_stored_is_parked_before_anything_is_claimed(
    inbox: Inbox, db: Database, replaced: dict[str, bytes | None], reason: str
) -> None:
    records, _ = consumed(batch_bytes([record_bytes(good_record("mug", 1, **replaced), 0)]))
    await inbox.process(messages_of(records))
    async with db.reading() as connection:
        found = await connection.rows(text("SELECT state, reason FROM dead_letters"))
        assert [tuple(row) for row in found] == [("PARKED", reason)]
        assert await connection.value(text("SELECT count(*) FROM inbox")) == 0


async def test_a_type_on_a_topic_that_is_not_its_own_is_parked_and_no_handler_is_called(
    inbox: Inbox, db: Database, effects: Any
) -> None:
    types = [*inbox.subscriptions.by_type, *inbox.subscriptions.ignored, "things.thing-exploded.v1"]
    for number, event_type in enumerate(types):
        foreign = good_record("mug", number, ce_type=event_type.encode(), ce_source=b"/others")
        records, _ = consumed(batch_bytes([record_bytes(foreign, 0)]))
        elsewhere = [message._replace(topic="others.thing.v1") for message in messages_of(records)]
        await inbox.process(elsewhere)
    async with db.reading() as connection:
        found = await connection.rows(text("SELECT type, state, reason FROM dead_letters ORDER BY id"))
    reasons = ["wrong-topic"] * (len(types) - 1) + ["unknown-type"]
    assert [tuple(row) for row in found] == [
        (event_type, "PARKED", reason) for event_type, reason in zip(types, reasons, strict=True)
    ]
    assert effects.calls == 0


async def test_a_key_of_binary_bytes_without_a_subject_is_parked(inbox: Inbox, db: Database) -> None:
    record = good_record("mug", 1, ce_subject=None)._replace(key=bytes.fromhex("000000000000002a"))
    records, _ = consumed(batch_bytes([record_bytes(record, 0)]))
    await inbox.process(messages_of(records))
    async with db.reading() as connection:
        assert await connection.value(text("SELECT state FROM dead_letters")) == "PARKED"


@pytest.mark.parametrize(
    "header", [("x-foreign", b"\xff\x00"), ("tracestate", b"\xff"), ("traceparent", b"\x00" * 9_000)]
)
async def test_other_headers_may_hold_any_bytes(
    inbox: Inbox, db: Database, effects_in: EffectsIn, header: tuple[str, bytes]
) -> None:
    record = good_record("mug", 1)
    record.headers.append((header[0].encode(), header[1]))
    records, _ = consumed(batch_bytes([record_bytes(record, 0)]))
    await inbox.process(messages_of(records))
    assert await effects_in(db) == [("mug", 1)]


def test_a_foreign_record_that_calls_itself_unreadable_is_a_letter() -> None:
    message = RawMessage("things.thing.v1", (0, 0), b"a", b"{}", [(UNREADABLE, b"\xff")])
    with pytest.raises(Undecodable) as refused:
        decode(message)
    assert refused.value.reason == "unreadable"
