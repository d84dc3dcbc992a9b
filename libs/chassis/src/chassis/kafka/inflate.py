"""The codecs of record batches, with a limit for the inflated size.

aiokafka's own functions have no limit, and a batch of 30 kB may inflate to a gigabyte. Other programs have added such a
limit: Kafka's broker by apache/kafka#23429, a client by twmb/franz-go#1461.
"""

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import cramjam

MAX_INFLATED_BYTES = 2 * 1024 * 1024
"""The maximum size of one inflated batch. A relay's largest batch has 256 KiB (`publisher.MAX_BATCH_BYTES`)."""

_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES = 16
_GZIP = 31


class Uninflatable(Exception):
    """The bytes do not fit the codec, or the inflated batch would be too large."""


def inflate(codec: int, data: bytes) -> bytes:
    """Inflate `data`. `codec` is the number in a record batch: 1 gzip, 2 snappy, 3 lz4, 4 zstd.

    Raises Uninflatable.
    """
    try:
        inflate_by_codec = _CODECS[codec]
    except KeyError:
        raise Uninflatable(f"codec {codec} is none of Kafka's") from None
    try:
        return inflate_by_codec(data)
    except (zlib.error, cramjam.DecompressionError, struct.error) as error:
        limit = f"more than {MAX_INFLATED_BYTES} bytes come out of it"
        raise Uninflatable(f"the batch is damaged, or {limit}: {error}") from error


def _gzip(data: bytes) -> bytes:
    inflated = b""
    while data:
        stream = zlib.decompressobj(_GZIP)
        inflated += stream.decompress(data, MAX_INFLATED_BYTES + 1 - len(inflated))
        _check(len(inflated))
        if not stream.eof:
            raise Uninflatable("the batch ends within its gzip stream")
        data = stream.unused_data
    return inflated


def _snappy(data: bytes) -> bytes:
    if not data.startswith(_XERIAL_MAGIC):
        return _snappy_block(data, 0)
    inflated = bytearray()
    position = _XERIAL_HEADER_BYTES
    while position < len(data):
        (length,) = struct.unpack_from(">i", data, position)
        position += 4
        if length <= 0 or position + length > len(data):
            raise Uninflatable("a block of snappy is longer than its batch")
        inflated += _snappy_block(data[position : position + length], len(inflated))
        position += length
    return bytes(inflated)


def _snappy_block(block: bytes, so_far: int) -> bytes:
    _check(so_far + cramjam.snappy.decompress_raw_len(block))
    return bytes(cramjam.snappy.decompress_raw(block))


def _into_limited_buffer(codec: Any) -> Callable[[bytes], bytes]:
    def inflate_whole(data: bytes) -> bytes:
        buffer = bytearray(MAX_INFLATED_BYTES)  # memory is used only for pages that are written to
        length = codec.decompress_into(data, buffer)
        return bytes(memoryview(buffer)[:length])

    return inflate_whole


def _check(length: int) -> None:
    if length > MAX_INFLATED_BYTES:
        raise Uninflatable(f"more than {MAX_INFLATED_BYTES} bytes come out of the batch")


_CODECS: Mapping[int, Callable[[bytes], bytes]] = {
    1: _gzip,
    2: _snappy,
    3: _into_limited_buffer(cramjam.lz4),
    4: _into_limited_buffer(cramjam.zstd),
}
