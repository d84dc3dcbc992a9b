"""Batches of records out of any bytes, as a foreign producer could write them. aiokafka's builders are too strict."""

import gzip
import struct
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import cramjam
from aiokafka.codec import lz4_encode
from aiokafka.consumer import fetcher
from aiokafka.record.util import calc_crc32c, encode_varint
from aiokafka.structs import ConsumerRecord, TopicPartition

from chassis.events import Cause, encode, new_id

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
TOPIC = "things.thing.v1"
PARTITION = TopicPartition(TOPIC, 0)

RawHeader = tuple[bytes, bytes | None]


class RawRecord(NamedTuple):
    """A record as it is on the wire: the names of its headers are bytes, too."""

    key: bytes | None
    value: bytes | None
    headers: list[RawHeader]


def good_record(name: str, number: int, **replaced: bytes | None) -> RawRecord:
    """A valid event. `replaced` are headers with other values, or with none; dashes are underscores."""
    headers = encode(
        new_id(), "/things", "things.thing-counted.v1", name, datetime.now(UTC), Cause(None, name, None)
    )
    raw: dict[bytes, bytes | None] = {header.encode(): value for header, value in headers}
    for header, value in replaced.items():
        raw[header.encode()] = value
    kept: list[RawHeader] = [(header, value) for header, value in raw.items() if value is not None]
    return RawRecord(name.encode(), f'{{"name": "{name}", "number": {number}}}'.encode(), kept)


def record_bytes(record: RawRecord, offset_delta: int) -> bytes:
    body = b"\x00" + varint(0) + varint(offset_delta) + nullable(record.key) + nullable(record.value)
    body += varint(len(record.headers))
    for name, value in record.headers:
        body += varint(len(name)) + name + nullable(value)
    return varint(len(body)) + body


def batch_bytes(
    records: Iterable[bytes],
    *,
    base_offset: int = 0,
    codec: str = "none",
    last_offset_delta: int | None = None,
    record_count: int | None = None,
    crc: int | None = None,
) -> bytes:
    """A batch of record bytes with a right header, except for what is given."""
    written = list(records)
    count = len(written) if record_count is None else record_count
    last = max(len(written) - 1, 0) if last_offset_delta is None else last_offset_delta
    body = struct.pack(">hiqqqhii", CODECS[codec], last, 0, 0, -1, -1, -1, count)
    body += compress(codec, b"".join(written))
    right_crc = calc_crc32c(body)
    head = struct.pack(">ibI", -1, 2, right_crc if crc is None else crc)
    return struct.pack(">qi", base_offset, len(head) + len(body)) + head + body


def compress(codec: str, data: bytes) -> bytes:
    match codec:
        case "gzip":
            return gzip.compress(data)
        case "snappy":
            return bytes(cramjam.snappy.compress_raw(data))
        case "lz4":
            # As aiokafka's producer: a broker does not take linked blocks.
            return bytes(lz4_encode(data))
        case "zstd":
            return bytes(cramjam.zstd.compress(data))
    return data


def consumed(response: bytes, fetch_offset: int = 0) -> tuple[list[ConsumerRecord[Any, Any]], int]:
    """What aiokafka's fetcher makes of the bytes of one response, and the offset that it asks for next."""
    records = fetcher.MemoryRecords(response)
    if not records.has_next():
        return [], fetch_offset
    partition = fetcher.PartitionRecords(PARTITION, records, None, fetch_offset, None, None, True, 0)
    return list(partition), partition.next_fetch_offset


def varint(number: int) -> bytes:
    written = bytearray()
    encode_varint(number, written.append)
    return bytes(written)


def nullable(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data
