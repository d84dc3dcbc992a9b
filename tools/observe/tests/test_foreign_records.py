"""Records that are no events: the tools read over them, and say of each where it stands and what is wrong."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cramjam
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.codec import lz4_encode, snappy_encode, zstd_encode
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record import default_records
from hypothesis import given
from hypothesis import strategies as st

from shop_observe import raw_batches, timeline
from shop_observe.contract import Contract
from shop_observe.kafka_log import Entry, follow, read_log, to_entry
from shop_observe.limited_codecs import MOST_INFLATED, limit_the_library
from shop_observe.raw_batches import RawRecord
from shop_observe.topics import Topic, declared_topics
from shop_stack.kafka_access import KafkaAccess
from shop_stack.target import Target

from .batches import batch_of, with_checksum

CONTRACTS = next(
    p for parent in Path(__file__).parents if (p := parent / "contracts" / "topics.yaml").exists()
).parent
TOPICS = declared_topics(CONTRACTS)
CONTRACT = Contract(CONTRACTS, TOPICS)
PLACE = TopicPartition("orders.order.v1", 0)
ORDER = "01985f0e-0000-7000-8000-000000000001"
EXAMPLE = json.loads(
    next((CONTRACTS / "events" / "orders.order-placed" / "examples").glob("*.json")).read_text()
)
PLACED: dict[str, Any] = {**EXAMPLE.get("data", EXAMPLE), "order_id": ORDER}
HEADERS: dict[str, bytes | None] = {
    "ce_id": b"01985f0e-0000-7000-8000-000000000002",
    "ce_source": b"/orders",
    "ce_type": b"orders.order-placed.v1",
    "ce_time": b"2026-03-02T09:00:00+00:00",
    "ce_subject": ORDER.encode(),
}


def entry_of(
    headers: dict[str, bytes | None] | None = None, key: bytes | None = ORDER.encode(), data: Any = None
) -> Entry:
    """A record of an order that was placed, with some headers, its key or its data exchanged."""
    value = data if isinstance(data, bytes) else json.dumps(PLACED if data is None else data).encode()
    named = tuple((HEADERS | (headers or {})).items())
    return to_entry(RawRecord("orders.order.v1", 0, 7, 0, key, value, named), CONTRACT)


def test_every_example_of_the_contracts_is_an_event() -> None:
    assert entry_of().fault == ""
    for topic in TOPICS:
        for type_ in topic.events:
            for file in (CONTRACTS / "events" / type_.removesuffix(".v1") / "examples").glob("*.json"):
                example = json.loads(file.read_text())
                data = example.get("data", example)
                key = data.get("order_id", data.get("sku"))
                headers = {
                    "ce_type": type_.encode(),
                    "ce_source": f"/{topic.owner}".encode(),
                    "ce_id": HEADERS["ce_id"],
                }
                headers |= {"ce_time": HEADERS["ce_time"]}
                record = RawRecord(
                    topic.name, 0, 0, 0, key.encode(), json.dumps(data).encode(), tuple(headers.items())
                )
                assert to_entry(record, CONTRACT).fault == "", file


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"headers": {"ce_subject": b"a\0b"}}, "ce_subject 'a\\x00b' is not its key"),
        ({"headers": {"ce_subject": None}, "key": b"\0\0\0\0\0\0\0*"}, "its key is not that of its data"),
        ({"headers": {"ce_source": b"/orders\0"}}, "does not own the topic"),
        ({"headers": {"ce_source": b"/payments"}}, "does not own the topic"),
        ({"headers": {"ce_id": b"\xff"}}, "is no UUID"),
        ({"headers": {"ce_id": b"01985F0E-0000-7000-8000-000000000002"}}, "is no UUID"),
        ({"headers": {"ce_id": b"01985f0e000070008000000000000002"}}, "is no UUID"),
        ({"headers": {"ce_id": None}}, "it has no ce_id"),
        ({"headers": {"ce_type": b"orders.order-eaten.v1"}}, "is no event of this topic"),
        ({"headers": {"ce_type": None}}, "it has no ce_type"),
        ({"headers": {"ce_time": b"2026-03-02T09:00:00"}}, "is no time"),
        ({"key": None}, "is not its key"),
        ({"data": {}}, "its data has no order_id"),
        ({"data": b""}, "its data is no JSON"),
        ({"data": b'"\\ud800"'}, "its data is no JSON"),
        ({"data": b"[" * 100_000}, "its data is no JSON"),
        ({"data": None, "key": b"x"}, "is not its key"),
        ({"data": []}, "its data is no object"),
        ({"data": PLACED | {"version": True}}, "its data.version is no integer"),
        ({"data": PLACED | {"version": 10**30}}, "its data.version is no integer"),
        ({"data": PLACED | {"lines": 0}}, "its data.lines is no array"),
        ({"data": PLACED | {"lines": [None]}}, "its data.lines[0] is no object"),
        ({"data": PLACED | {"placed_at": "yesterday"}}, "its data.placed_at is no time"),
        (
            {"data": PLACED | {"total": {"amount_minor": "1", "currency": "EUR"}}},
            "its data.total.amount_minor",
        ),
    ],
)
def test_a_record_that_breaks_the_contract_says_how(changed: dict[str, Any], fault: str) -> None:
    assert fault in entry_of(**changed).fault


@pytest.mark.parametrize("order_id", [ORDER.upper(), ORDER.replace("-", ""), f"urn:uuid:{ORDER}"])
def test_an_id_in_the_data_may_have_any_form_of_a_uuid_as_the_services_read_it(order_id: str) -> None:
    assert entry_of(data=PLACED | {"order_id": order_id}).fault == ""
    another = PLACED | {"order_id": order_id.replace("8", "9", 1)}
    assert "its key is not that of its data" in entry_of(data=another).fault


some_bytes = (
    st.none() | st.binary(max_size=40) | st.sampled_from([*HEADERS.values(), ORDER.encode(), b"\0", b"\xff"])
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from([*PLACED.values()]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*PLACED, "amount", "reason", "shortages", "sku"]), inner, max_size=6
        )
    ),
    max_leaves=12,
)
values = (
    st.none()
    | st.binary(max_size=60)
    | json_values.map(lambda value: json.dumps(value).encode())
    | (
        st.dictionaries(st.sampled_from([*PLACED]), json_values, max_size=3).map(
            lambda c: json.dumps(PLACED | c).encode()
        )
    )
)
headers = st.dictionaries(
    st.sampled_from([*HEADERS, "ce_causationid", "ce_correlationid", "traceparent", "odd\0"]), some_bytes
).map(lambda changed: list((HEADERS | changed).items()))
types = st.sampled_from([type_ for topic in TOPICS for type_ in topic.events])


@given(
    st.lists(st.tuples(some_bytes, values, headers), min_size=1, max_size=4), st.integers(-(2**63), 2**63 - 1)
)
def test_no_record_ends_a_reading_or_a_story(
    records: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]], sent_ms: int
) -> None:
    found, behind = raw_batches.parse(PLACE, batch_of(*records), 0)
    assert behind == len(records)
    assert [(record.key, record.value, list(record.headers)) for record in found] == records
    entries = [to_entry(record, CONTRACT) for record in found]
    for entry in entries:
        assert entry.moment.tzinfo is not None
        steps = timeline.steps_of(entries, entry.key)
        timeline.timeline_table(steps, "a story")
        assert all(timeline.timeline_line(step).plain.isprintable() for step in steps)
        assert not timeline.has_ended(entries) or any(not entry.fault for entry in entries)
    odd = to_entry(RawRecord("orders.order.v1", 0, 0, sent_ms), CONTRACT)
    assert odd.at.tzinfo is not None


@given(st.data())
def test_a_damaged_batch_is_one_foreign_record_and_what_is_behind_it_is_read(data: st.DataObject) -> None:
    whole = batch_of((b"k", b"v" * 30, [("name", b"value")]))
    place = data.draw(st.integers(raw_batches.BEFORE_LENGTH + 4, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()) and damaged[16] == whole[16]:
        damaged = bytearray(with_checksum(bytes(damaged)))
    found, behind = raw_batches.parse(PLACE, bytes(damaged), 0)
    assert behind >= 1
    for record in found:
        to_entry(record, CONTRACT)


@given(st.binary(max_size=200))
def test_any_bytes_in_place_of_batches_are_read_over(data: bytes) -> None:
    _, behind = raw_batches.parse(PLACE, data, 5)
    assert behind > 5 or not data


CODECS: dict[int, Callable[[bytes], bytes]] = {
    1: gzip.compress,
    2: snappy_encode,
    3: lz4_encode,
    4: zstd_encode,
}


def bomb_of(codec: int) -> bytes:
    """A batch out of which more bytes come than any reader takes."""
    return batch_of((b"k", bytes(MOST_INFLATED), []), codec=codec)


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_that_inflates_without_end_is_foreign(codec: int) -> None:
    ((record,), behind) = raw_batches.parse(PLACE, bomb_of(codec), 0)
    assert "cannot be decompressed" in record.fault
    assert codec > 2 or "inflates to more than 8 MiB" in record.fault
    assert behind == 1


@pytest.mark.parametrize(
    "parser", [default_records.DefaultRecordBatch, default_records._DefaultRecordBatchPy]
)
@pytest.mark.parametrize("codec", CODECS)
def test_the_client_library_does_not_inflate_such_a_batch_either(codec: int, parser: Any) -> None:
    limit_the_library()
    with pytest.raises((ValueError, cramjam.DecompressionError)):
        list(parser(bomb_of(codec)))


@given(st.binary(max_size=2_000), st.sampled_from([*CODECS]))
def test_what_was_compressed_comes_out_as_it_was(data: bytes, codec: int) -> None:
    assert raw_batches.inflated(codec, CODECS[codec](data)) == data
    assert raw_batches.inflated(1, gzip.compress(data) + gzip.compress(b"more")) == data + b"more"


async def test_a_batch_that_inflates_without_end_is_read_over(kafka: KafkaAccess, tmp_path: Path) -> None:
    topic = await own_topic(kafka)
    async with AIOKafkaProducer(**kafka.client) as producer:
        await producer.send_and_wait(topic.name, b"1", b"first")
        for codec in CODECS:
            await send_raw(kafka, topic.name, bomb_of(codec))
        await producer.send_and_wait(topic.name, b"2", b"last")
    log = await read_log(Target("test", {}, {}, "", kafka, {}, tmp_path, CONTRACTS, tmp_path), [topic])
    first, *bombs, last = log.entries
    assert (first.key, last.key) == ("first", "last")
    assert ["cannot be decompressed" in entry.fault for entry in bombs] == [True] * len(CODECS)


async def test_what_the_client_library_cannot_read_is_read_over(kafka: KafkaAccess, tmp_path: Path) -> None:
    """A header name that is not UTF-8 stands between two records."""
    topic = await own_topic(kafka)
    target = Target("test", {}, {}, "", kafka, {}, tmp_path, CONTRACTS, tmp_path)
    since = datetime.now(UTC)
    name = with_checksum(batch_of((b"k", b"v", [("zz", b"")])).replace(b"zz", b"\xff\xff"))
    async with AIOKafkaProducer(**kafka.client) as producer:
        await producer.send_and_wait(topic.name, b"1", b"first")
        await send_raw(kafka, topic.name, name)
        await producer.send_and_wait(topic.name, b"2", b"second")
    log = await read_log(target, [topic])
    assert [entry.key for entry in log.entries] == ["first", "k", "second"]
    assert log.entries[1].fault == "the name of a header is not UTF-8"
    assert log.entries[1].place.endswith("[0]@1")

    followed: list[str] = []
    async with aclosing(follow(target, [topic], since)) as batches:
        async for entries in batches:
            followed += [entry.key for entry in entries]
            if len(followed) == 3:
                break
    assert followed == ["first", "k", "second"]


async def own_topic(kafka: KafkaAccess) -> Topic:
    """A topic that no other test reads."""
    name = f"foreign.{uuid.uuid4().hex}.v1"
    admin = AIOKafkaAdminClient(**kafka.client)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 1, 1)])
    finally:
        await admin.close()
    return Topic(name, "orders", (), ("orders.order-placed.v1",), False)


async def send_raw(kafka: KafkaAccess, topic: str, batch: bytes) -> None:
    client = AIOKafkaClient(**kafka.client)
    await client.bootstrap()
    await client.set_topics([topic])
    try:
        leader = client.cluster.leader_for_partition(TopicPartition(topic, 0))
        request = ProduceRequest(None, -1, 10_000, [(topic, [(0, batch)])])
        response = await client.send(leader, request)
        assert response.topics[0][1][0][1] == 0, response
    finally:
        await client.close()
