"""Record batches as bytes: what a foreign producer may put on a topic, also where our client library would not."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from shop_observe.raw_batches import CHECKED_FROM

Headers = Sequence[tuple[str, bytes | None]]


def batch_of(*records: tuple[bytes | None, bytes | None, Headers], codec: int = 0) -> bytes:
    """A batch of (key, value, headers), from offset 0 on."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 30,
    )
    for offset, (key, value, headers) in enumerate(records):
        assert builder.append(offset, 1_700_000_000_000, key, value, list(headers)) is not None
    return bytes(builder.build())


def with_checksum(batch: bytes) -> bytes:
    """The batch with the checksum of what is in it now."""
    return batch[:17] + struct.pack(">I", calc_crc32c(batch[CHECKED_FROM:])) + batch[CHECKED_FROM:]
