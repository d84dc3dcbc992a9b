"""The codecs of record batches, with a limit for what comes out of a batch.

The client library's own codecs have none, and a batch of 30 kB may inflate to a gigabyte. `limit_the_library` puts
these in their place, for every reader of this process.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import cramjam

MOST_INFLATED = 8 << 20
"""Bytes of one batch. The services have the same limit, so no event is in a larger one."""
TOO_LARGE = f"it inflates to more than {MOST_INFLATED >> 20} MiB"
WITH_GZIP_HEADER = 31
XERIAL_MAGIC = b"\x82SNAPPY\x00"
XERIAL_HEADER_SIZE = 16


def gunzip(data: Any) -> bytes:
    """The bytes in one or several gzip streams. Raises ValueError or zlib.error."""
    plain = b""
    rest = bytes(data)
    while rest:
        stream = zlib.decompressobj(wbits=WITH_GZIP_HEADER)
        plain += stream.decompress(rest, MOST_INFLATED + 1 - len(plain))
        if len(plain) > MOST_INFLATED:
            raise ValueError(TOO_LARGE)
        if not stream.eof:
            raise ValueError("it is cut off")
        rest = stream.unused_data
    return plain


def unsnappy(data: bytes) -> bytes:
    """The bytes of a snappy block, or of a stream of such blocks. Raises an error if they cannot be had."""
    plain = bytearray()
    for block in snappy_blocks(data):
        if len(plain) + cramjam.snappy.decompress_raw_len(block) > MOST_INFLATED:
            raise ValueError(TOO_LARGE)
        plain += bytes(cramjam.snappy.decompress_raw(block))
    return bytes(plain)


def snappy_blocks(data: bytes) -> Iterator[bytes]:
    """The blocks, still compressed."""
    if not data.startswith(XERIAL_MAGIC):
        yield data
        return
    position = XERIAL_HEADER_SIZE
    while position < len(data):
        (size,) = struct.unpack_from(">i", data, position)
        if size <= 0:
            raise ValueError("a block of snappy has no size")
        yield data[position + 4 : position + 4 + size]
        position += 4 + size


def within_the_limit(codec: Any) -> Callable[[bytes], bytes]:
    """A codec of cramjam's that ends with DecompressionError where the limit is reached."""

    def decode(data: bytes) -> bytes:
        plain = bytearray(MOST_INFLATED)  # Memory is taken for those pages alone that are written to.
        size = codec.decompress_into(data, plain)
        return bytes(memoryview(plain)[:size])

    return decode


unlz4 = within_the_limit(cramjam.lz4)
unzstd = within_the_limit(cramjam.zstd)

IN_PLACE_OF = {"gzip_decode": gunzip, "snappy_decode": unsnappy, "lz4_decode": unlz4, "zstd_decode": unzstd}
PARSERS = ("aiokafka.record.default_records", "aiokafka.record._crecords.default_records")


def limit_the_library() -> None:
    """Make the library's parsers, the one in Python and the compiled one, use these codecs."""
    for name in PARSERS:
        try:
            parser = importlib.import_module(name)
        except ImportError:
            continue  # The library was installed without its compiled parts.
        for codec, limited in IN_PLACE_OF.items():
            if not hasattr(parser, codec):
                raise AttributeError(f"{name} has no {codec}: a batch would inflate without a limit")
            setattr(parser, codec, limited)
