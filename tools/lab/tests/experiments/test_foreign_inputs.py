"""Each foreign input is what it says: one fault, in something that is right otherwise."""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords

from shop_lab.experiments.foreign_inputs import records, requests, silence
from shop_lab.experiments.foreign_inputs.batches import (
    Codec,
    Record,
    batch_of,
    sealed,
    with_wrong_checksum,
)
from shop_lab.experiments.foreign_inputs.catalogue import all_inputs
from shop_lab.experiments.foreign_inputs.events import Event, EventTopic, ghost_of, topics_of
from shop_lab.experiments.foreign_inputs.generator import generate
from shop_lab.experiments.foreign_inputs.input import Input, Tally, answered
from shop_lab.experiments.foreign_inputs.records import Fault
from shop_lab.experiments.foreign_inputs.silence import SilentCrowd
from shop_stack import paths
from shop_stack.ports import SERVICES
from shop_stack.target import NO_ISSUER
from testkit.contracts import todays_examples_of
from testkit.waiting import eventually

CODECS = [codec for codec in Codec if codec is not Codec.NONE]
TOPICS = topics_of(paths.contracts())
ORDERS = TOPICS["orders.order.v1"]


BATCH_HEADER_BYTES = 61
WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS


@pytest.fixture
def dice() -> random.Random:
    return random.Random(1)


# --- Batches --------------------------------------------------------------------------------------


def read(batch: bytes) -> list[Any]:
    """The records of a batch by aiokafka's own parser."""
    parsed = MemoryRecords(batch).next_batch()
    assert parsed is not None
    assert parsed.validate_crc()
    return list(parsed)


@pytest.mark.parametrize("codec", Codec)
def test_a_batch_is_read_as_it_was_written(codec: Codec) -> None:
    written = [Record(b"k", b"v" * 300, [(b"a", b"1"), (b"b", None)]), Record(None, None)]
    found = read(batch_of(written, codec))
    assert [(one.offset, one.key, one.value, tuple(one.headers)) for one in found] == [
        (0, b"k", b"v" * 300, (("a", b"1"), ("b", None))),
        (1, None, None, ()),
    ]


def test_a_header_name_that_is_not_text_is_written_as_it_is() -> None:
    assert b"\xff\xfe\x00" in batch_of([Record(b"k", b"v", [(b"\xff\xfe\x00", b"x")])])
    with pytest.raises(UnicodeDecodeError):
        read(batch_of([Record(b"k", b"v", [(b"\xff\xfe\x00", b"x")])]))


def test_a_turned_bit_does_not_fit_the_checksum() -> None:
    damaged = MemoryRecords(with_wrong_checksum(batch_of([Record(b"k", b"v")]))).next_batch()
    assert damaged is not None
    assert not damaged.validate_crc()


def test_any_bytes_can_stand_in_a_batch_whose_checksum_fits(dice: random.Random) -> None:
    batch = MemoryRecords(records.no_records(Record(None, None), dice)).next_batch()
    assert batch is not None
    assert batch.validate_crc()
    with pytest.raises((CorruptRecordException, ValueError, IndexError)):
        list(batch)


def test_a_batch_that_is_not_compressed_says_that_it_is(dice: random.Random) -> None:
    batch = MemoryRecords(records.not_compressed(Record(None, None), dice)).next_batch()
    assert batch is not None
    assert batch.validate_crc()
    assert batch.compression_type in CODECS


def test_64_megabytes_come_out_of_a_small_batch() -> None:
    batch = records.inflating_batch(Record(b"k", b"v"))
    assert len(batch) < 100_000
    # The parser of the tools refuses so large a batch, so the records are inflated without it.
    inflated = zlib.decompress(batch[BATCH_HEADER_BYTES:], wbits=WITH_GZIP_HEADER)
    assert len(inflated) > 64 * 2**20


def test_a_sealed_batch_counts_its_records() -> None:
    batch = MemoryRecords(sealed(b"", 7)).next_batch()
    assert batch is not None
    assert batch.next_offset == 7


# --- Records --------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS.keys())
def test_without_a_fault_an_event_is_one(topic: EventTopic, dice: random.Random) -> None:
    for type in topic.examples:
        event = topic.event(dice, type)
        assert event.key == event.headers[b"ce_subject"] == str(event.data[topic.key]).encode()
        assert event.headers[b"ce_source"] == f"/{topic.owner}".encode()
        assert event.headers[b"ce_type"] == type.encode()
        assert UUID(event.id)


def test_no_two_events_have_the_same_id_or_key(dice: random.Random) -> None:
    events = [ORDERS.event(dice) for _ in range(50)]
    assert len({event.id for event in events}) == len({event.key for event in events}) == 50


def strings_in(data: Any) -> list[str]:
    return [value for value in data.values() if isinstance(value, str)]


IS: dict[str, tuple[Fault, Callable[[Event], bool]]] = {
    "NUL in a header": (
        records.nul_in_header,
        lambda event: any(b"\0" in value for value in event.headers.values()),
    ),
    "name not UTF-8": (records.no_text_in_header_name, lambda event: b"\xff\xfe\x00" in event.headers),
    "value not UTF-8": (
        records.no_text_in_header_value,
        lambda event: any(b"\xff" in event.headers[name] for name in records.ATTRIBUTES),
    ),
    "no headers": (records.no_headers, lambda event: not event.headers and bool(event.value)),
    "missing": (
        records.missing_attribute,
        lambda event: sum(name not in event.headers for name in records.ATTRIBUTES) == 1,
    ),
    "odd": (
        records.odd_attribute,
        lambda event: sum(event.headers[n] == v for n, v in records.ODD_ATTRIBUTES.items()) == 1,
    ),
    "source": (records.wrong_source, lambda event: event.headers[b"ce_source"] == b"/somewhere-else"),
    "key": (records.key_is_not_subject, lambda event: event.key != event.headers[b"ce_subject"]),
    "random": (records.random_bytes, lambda event: len(event.value or b"") == records.GARBAGE),
    "no value": (records.no_value, lambda event: event.value is None),
    "type": (
        records.unknown_type,
        lambda event: (
            event.headers[b"ce_type"].decode() not in {t for one in TOPICS.values() for t in one.examples}
        ),
    ),
    "{}": (records.data_is({}), lambda event: event.value == b"{}"),
    "null": (records.data_is(None), lambda event: event.value == b"null"),
    "[]": (records.data_is([]), lambda event: event.value == b"[]"),
    "numbers": (records.huge_numbers, lambda event: event.data["version"] > 2**31),
    "NUL in text": (
        records.order_with("customer_id", "a\0b"),
        lambda event: any("\0" in text for text in strings_in(event.data)),
    ),
    "surrogate": (
        records.order_with("payment_token", "\ud800"),
        lambda event: b'"\\ud800"' in (event.value or b""),
    ),
    "correlation id": (
        records.long_correlation,
        lambda event: len(event.headers[b"ce_correlationid"]) == 2_000_000,
    ),
}


@pytest.mark.parametrize(("fault", "is_there"), IS.values(), ids=IS.keys())
def test_a_record_has_the_fault_that_it_is_named_after(
    fault: Fault, is_there: Callable[[Event], bool], dice: random.Random
) -> None:
    assert all(is_there(fault(ORDERS, dice)) for _ in range(20))
    assert not is_there(ORDERS.event(dice))


def test_fields_of_wrong_types_leave_the_key_as_it_is(dice: random.Random) -> None:
    event = records.wrong_types(ORDERS, dice)
    right = {
        name: type(value)
        for name, value in ORDERS.event(dice, event.headers[b"ce_type"].decode()).data.items()
    }
    assert event.key == event.data["order_id"].encode()
    assert all(type(value) is not right[name] for name, value in event.data.items() if name != "order_id")


def test_the_long_correlation_id_fits_into_a_record_when_it_is_compressed(dice: random.Random) -> None:
    record = records.long_correlation(ORDERS, dice).record
    assert len(batch_of([record])) > 2_000_000
    assert len(batch_of([record], Codec.GZIP)) < 100_000


def test_a_ghost_order_can_be_carried_out_by_all_but_orders(dice: random.Random) -> None:
    event = ghost_of(ORDERS, dice, "SKU-1")
    assert event.headers[b"ce_type"] == b"orders.order-placed.v1"
    assert event.data["order_id"].encode() == event.key == event.headers[b"ce_subject"]
    assert event.data["lines"] == [{"sku": "SKU-1", "quantity": 1, "unit_price": event.data["total"]}]
    assert event.data["placed_at"] < event.data["deadline_at"]


# --- Requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "held"),
    [
        (requests.NUL_TOKEN, b'"tok\\u0000"'),
        (requests.SURROGATE_TOKEN, b'"\\ud800"'),
        (requests.NUL_CUSTOMER, b'"a\\u0000b"'),
        (requests.SURROGATE_SKU, b'"\\udfff"'),
        (requests.NUL_KEY_REDRIVEN, b'{"key": "\\u0000"}'),
        (requests.SURROGATE_KEY_REDRIVEN, b'{"key": "\\ud800"}'),
    ],
)
def test_a_request_holds_the_text_that_it_is_named_after(request_: requests.Request, held: bytes) -> None:
    assert held in (request_.body or b"")
    json.loads(request_.body or b"")


def test_requests_have_the_sizes_that_they_are_named_after() -> None:
    sizes = {
        name: len(getattr(requests, name).body) for name in ("MANY_WRONG_LINES", "LARGE_BODY", "DEEP_JSON")
    }
    assert 61_000 < sizes["MANY_WRONG_LINES"] < 64 * 1024
    assert 100_000 < sizes["LARGE_BODY"] < 101_000
    assert sizes["DEEP_JSON"] == 2 * requests.DEPTH
    assert requests.NUL_KEY_SOUGHT.path.endswith("key=%00")


async def test_an_unreadable_agent_is_sent_as_its_bytes() -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200)

    urls = dict.fromkeys(SERVICES, "http://service")
    target = SimpleNamespace(management_urls=urls, issuer=NO_ISSUER)
    tally = Tally()
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        world = SimpleNamespace(http=http, testbed=SimpleNamespace(target=target))
        await requests.to_each(requests.UNREADABLE_AGENT, 200)(world, tally)  # type: ignore[arg-type]
    assert (b"User-Agent", b"\xff\\x") in sent[0].headers.raw
    assert sent[0].headers["Authorization"].startswith("Bearer ")
    assert tally.answers == {"200": 1}


@pytest.mark.parametrize(
    ("status", "size", "wrong"),
    [
        (422, 10, 0),
        (503, 10, 0),
        (429, 10, 0),
        (500, 10, 1),
        (202, 10, 1),
        (422, 10**6, 1),  # right, and far too long
    ],
)
def test_an_answer_is_right_or_wrong(status: int, size: int, wrong: int) -> None:
    tally = Tally()
    requests.note(tally, httpx.Response(status, content=b"x" * size), (422,))
    assert (tally.answers[str(status)], tally.wrong.total()) == (1, wrong)


def test_no_answer_is_a_wrong_answer_and_the_reason_is_counted() -> None:
    tally = Tally()
    requests.note(tally, httpx.ReadTimeout("30 s"), (422,))
    assert tally.wrong == {"no answer: ReadTimeout": 1}


# --- Silence --------------------------------------------------------------------------------------


async def test_a_silent_crowd_stays_as_large_as_it_is_and_counts_who_was_sent_away() -> None:
    sent: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent.append(await reader.read(1_000))
        if len(sent) <= 2:
            writer.write(b"HTTP/1.1 408 Request Timeout\r\n\r\n" if len(sent) == 1 else b"")
            writer.close()
        else:
            await reader.read()
            writer.close()

    async def two_were_sent_away() -> None:
        assert tally.answers.total() == 2

    async def two_came_in_their_place() -> None:
        assert len(sent) == 6

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    crowd = SilentCrowd(connections=4)
    tally = Tally()
    async with server:
        await crowd.fill(port, tally)
        await eventually(two_were_sent_away)
        await crowd.fill(port, tally)
        await eventually(two_came_in_their_place)
        await crowd.leave()
    assert tally.answers == {silence.TIMED_OUT: 1, silence.HUNG_UP: 1}
    assert {*sent} == {silence.HALF_HEAD, silence.HALF_BODY}


# --- The table and its clock ----------------------------------------------------------------------


def test_each_input_has_a_name_of_its_own_and_each_kind_has_inputs() -> None:
    inputs = all_inputs(SilentCrowd())
    assert len({one.name for one in inputs}) == len(inputs)
    assert {one.kind for one in inputs} == {1, 2, 3, 4, 5, 7, 8}


def test_every_input_has_its_turn_within_two_minutes() -> None:
    assert all(one.first < 120 for one in all_inputs(SilentCrowd()))


async def test_inputs_are_given_by_the_clock_and_end_by_themselves() -> None:
    async def give(_: object, tally: Tally) -> None:
        tally.answers["yes"] += 1

    async def fail(_: object, tally: Tally) -> None:
        raise ValueError("no")

    inputs = [
        Input("often", 1, give, answered("yes"), every=0.01),
        Input("once", 1, give, answered("yes"), every=100.0),
        Input("too late", 1, give, answered("yes"), first=100.0),
        Input("fails", 1, fail, answered("yes"), every=0.01),
    ]
    heard: list[int] = []
    tallies = await generate(inputs, None, 0.2, heard.append)  # type: ignore[arg-type]  # these need no world
    assert tallies["often"].given > 1
    assert tallies["once"].given == 1
    assert tallies["too late"].given == 0
    assert tallies["fails"].trouble == {"ValueError: no": tallies["fails"].given}
    assert heard[-1] == sum(tally.given for tally in tallies.values())


def test_an_event_is_made_from_the_examples_of_its_own_version() -> None:
    for topic in topics_of(paths.contracts()).values():
        for type_, examples in topic.examples.items():
            assert examples == todays_examples_of(type_), type_
