"""Parses record batches that the client library cannot read.

The library raises an error for a header name that is not UTF-8, for a codec that is not installed, and for a batch
whose checksum is wrong. It raises the same error at the next call, too. This module returns the readable records of
such a batch, each with its fault, and the offset of the next batch.

The format is version 2 of Kafka's record batch (KIP-98).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.util import calc_crc32c

from shop_observe.limited_codecs import gunzip, unlz4, unsnappy, unzstd

HEADER = struct.Struct(">qiibIhiqqqhii")
"""Base offset, length, leader epoch, magic, checksum, attributes, last offset delta, first and last timestamp,
producer's id and epoch, base sequence, number of records."""
BEFORE_LENGTH = 12
CHECKED_FROM = 21
MAGIC = 2
CODEC_BITS = 0x07
CONTROL_BIT = 0x20
MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record for `shop_observe.kafka_log.to_entry`."""

    topic: str
    partition: int
    offset: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    fault: str = ""


async def fetch(client: AIOKafkaClient, place: TopicPartition, offset: int) -> tuple[list[RawRecord], int]:
    """The records of one fetch from an offset on, and the next offset.

    Raises KafkaError if the partition's leader does not answer.
    """
    leader = client.cluster.leader_for_partition(place)
    request = FetchRequest(500, 1, MOST_BYTES, 0, [(place.topic, [(place.partition, offset, MOST_BYTES)])])
    response = await client.send(leader, request)
    # In every version of the response, the bytes are the last field of a partition.
    answers = [answer for _, partitions in response.topics for answer in partitions]
    return parse(place, answers[0][-1] or b"", offset) if answers else ([], offset)


def parse(place: TopicPartition, data: bytes, offset: int) -> tuple[list[RawRecord], int]:
    """The records of complete batches from `offset` on, and the next offset."""
    records: list[RawRecord] = []
    behind = offset
    position = 0
    while position + HEADER.size <= len(data):
        base, length = struct.unpack_from(">qi", data, position)
        end = position + BEFORE_LENGTH + length
        if end > len(data) or length < HEADER.size - BEFORE_LENGTH:
            break
        found, last = records_of(place, data[position:end], base)
        records += [record for record in found if record.offset >= behind]
        behind = max(behind, last + 1)
        position = end
    if data and behind == offset:
        records.append(
            RawRecord(place.topic, place.partition, offset, fault="its batch has no readable size")
        )
        behind += 1
    return records, behind


def records_of(place: TopicPartition, batch: bytes, base: int) -> tuple[list[RawRecord], int]:
    """The records of one batch, and its last offset."""
    _, _, _, magic, checksum, attributes, last_delta, first_ms, *_, count = HEADER.unpack_from(batch)
    last = base + max(0, last_delta)

    def unreadable(why: str, at: int = base) -> RawRecord:
        return RawRecord(place.topic, place.partition, at, max(0, first_ms), fault=why)

    if magic != MAGIC:
        return [unreadable(f"its batch has the unknown format {magic}")], base
    if calc_crc32c(batch[CHECKED_FROM:]) != checksum:
        return [unreadable("its batch fails its checksum")], last
    if attributes & CONTROL_BIT:
        return [], last
    try:
        body = inflated(attributes & CODEC_BITS, batch[HEADER.size :])
    except Exception as error:  # each codec has an exception of its own
        return [unreadable(f"its batch cannot be decompressed ({error})")], last
    records: list[RawRecord] = []
    try:
        records.extend(parsed(place, body, base, first_ms, count))  # records before the fault are kept
    except (IndexError, ValueError) as error:
        records.append(unreadable(f"its batch ends within a record ({error})", base + len(records)))
    return records, last


def inflated(codec: int, data: bytes) -> bytes:
    """The decompressed records. Raises an exception of the codec, or ValueError if they are too large."""
    match codec:
        case 0:
            return data
        case 1:
            return gunzip(data)
        case 2:
            return unsnappy(data)
        case 3:
            return unlz4(data)
        case 4:
            return unzstd(data)
        case _:
            raise ValueError(f"the codec {codec} is unknown")


def parsed(place: TopicPartition, body: bytes, base: int, first_ms: int, count: int) -> Iterator[RawRecord]:
    """The records in the bytes of a batch. Raises IndexError or ValueError if the bytes end too early."""
    reader = Reader(body)
    for _ in range(count):
        reader.varint()  # length
        reader.take(1)  # attributes
        sent_ms = first_ms + reader.varint()
        offset = base + reader.varint()
        key = reader.bytes_or_none()
        value = reader.bytes_or_none()
        named = [(reader.bytes_or_none() or b"", reader.bytes_or_none()) for _ in range(reader.varint())]
        is_text = all(is_utf8(name) for name, _ in named)
        yield RawRecord(
            place.topic,
            place.partition,
            offset,
            sent_ms,
            key,
            value,
            tuple((name.decode(errors="replace"), content) for name, content in named),
            "" if is_text else "the name of a header is not UTF-8",
        )


def is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


class Reader:
    """Reads one field after another from bytes. Raises IndexError or ValueError if a field is incomplete."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, size: int) -> bytes:
        end = self._position + size
        if size < 0 or end > len(self._data):
            raise IndexError(f"{size} bytes at {self._position} of {len(self._data)}")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def bytes_or_none(self) -> bytes | None:
        size = self.varint()
        return None if size == -1 else self.take(size)

    def varint(self) -> int:
        """A zigzag varint: groups of seven bits, with the sign in the lowest bit."""
        number = 0
        for shift in range(0, 70, 7):
            (byte,) = self.take(1)
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (number >> 1) ^ -(number & 1)
        raise ValueError("a number of more than ten bytes")
