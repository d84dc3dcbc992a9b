"""Record batches in Kafka's format (magic 2), byte by byte, and a producer that sends any bytes.

aiokafka's producer sends only records that a reader can parse, and only header names that are text.
The format is described in Kafka's documentation, chapter "Message Format", section "Record Batch".
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, Self

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c, encode_varint

from shop_observe.topics import partition_of
from shop_stack.kafka_access import KafkaAccess

MAGIC = 2
NO_PRODUCER = (-1, -1, -1)
"""Producer id, epoch and sequence of a producer that is not idempotent."""
ACKNOWLEDGED_BY_ALL = -1
TIMEOUT_MS = 10_000

Header = tuple[bytes, bytes | None]


class Codec(IntEnum):
    """Kafka's numbers for the codecs."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


_ENCODERS: Mapping[Codec, Callable[[bytes], bytes]] = {
    Codec.NONE: bytes,
    Codec.GZIP: gzip_encode,
    Codec.SNAPPY: snappy_encode,
    Codec.LZ4: lz4_encode,
    Codec.ZSTD: zstd_encode,
}


class Record(NamedTuple):
    """One record. The names of headers are bytes, as in the protocol."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()


def batch_of(records: Sequence[Record], codec: Codec = Codec.NONE) -> bytes:
    """A batch that a reader can parse."""
    encoded = b"".join(_encode(number, record) for number, record in enumerate(records))
    return sealed(_ENCODERS[codec](encoded), len(records), codec)


def sealed(body: bytes, count: int, codec: Codec = Codec.NONE) -> bytes:
    """A batch with a correct checksum around any bytes. Its header says that they are `count` records."""
    now = int(time.time() * 1000)
    rest = struct.pack(">hiqqqhii", codec, count - 1, now, now, *NO_PRODUCER, count) + body
    head = struct.pack(">ibI", -1, MAGIC, calc_crc32c(rest))
    return struct.pack(">qi", 0, len(head) + len(rest)) + head + rest


def with_wrong_checksum(batch: bytes) -> bytes:
    """The batch with its last bit inverted, so that its checksum is wrong."""
    return batch[:-1] + bytes([batch[-1] ^ 1])


def _encode(number: int, record: Record) -> bytes:
    """A record with the time of its batch. `number` is its offset within the batch."""
    content = bytearray(1)  # attributes: none are defined
    encode_varint(0, content.append)
    encode_varint(number, content.append)
    _put(content, record.key)
    _put(content, record.value)
    encode_varint(len(record.headers), content.append)
    for name, value in record.headers:
        _put(content, name)
        _put(content, value)
    length = bytearray()
    encode_varint(len(content), length.append)
    return bytes(length + content)


def _put(content: bytearray, data: bytes | None) -> None:
    encode_varint(-1 if data is None else len(data), content.append)
    content += data or b""


class RawProducer:
    """Sends batches to the broker unchanged. It is an asynchronous context manager."""

    def __init__(self, kafka: KafkaAccess, topics: Collection[str]) -> None:
        self._client = AIOKafkaClient(**kafka.client)
        self._topics = topics

    async def __aenter__(self) -> Self:
        await self._client.bootstrap()
        await self._client.set_topics(self._topics)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    def partitions(self, topic: str) -> int:
        """The number of partitions of a topic."""
        return len(self._client.cluster.partitions_for_topic(topic))

    def partition_of(self, topic: str, key: bytes | None) -> int:
        """The partition of a key in a topic. A record without a key goes where an empty key goes."""
        return partition_of(key or b"", self.partitions(topic))

    async def send(self, topic: str, partition: int, batch: bytes) -> int:
        """Send one batch. Returns the offset of its first record. Raises KafkaError if the broker refuses it."""
        leader = self._client.cluster.leader_for_partition(TopicPartition(topic, partition))
        if leader is None:
            raise KafkaError(f"{topic}[{partition}] has no leader")
        request = ProduceRequest(None, ACKNOWLEDGED_BY_ALL, TIMEOUT_MS, [(topic, [(partition, batch)])])
        answer = await self._client.send(leader, request)
        [(_, [(_, code, offset, *_rest)])] = answer.topics
        if code:
            raise for_code(code)(f"{topic}[{partition}]")
        return int(offset)
