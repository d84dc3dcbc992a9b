"""aiokafka's consumer continues after bytes that aiokafka cannot parse.

Kind: guard. Works around aiokafka.
What it does: replaces `MemoryRecords` and `PartitionRecords` in aiokafka's module `consumer.fetcher`. aiokafka's parser
reads every batch. If it fails, `chassis.kafka.salvage` reads the readable records, and puts a placeholder record in the
place of the others. `chassis.kafka.inflate` inflates compressed batches, within a limit. A response gives a limited
number of records before other partitions have their turn.
Why: aiokafka raises on a batch with a wrong CRC (aio-libs/aiokafka#321), an unknown codec, a malformed record, or a
header name that is not UTF-8. It has no limit for the size of an inflated batch.
Without it: the consumer fetches the same batch for ever, and restarts each time. A small batch can fill the memory.
It costs a few microseconds per response.
Can be removed when: aiokafka skips such batches and limits codecs. Observed with aiokafka 0.14.
Tested by: test_any_bytes.py.
"""

from typing import Any

import structlog
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.memory_records import MemoryRecords

from chassis.kafka.salvage import MAX_HEADERS, MAX_RECORD_BYTES, has_countable_headers
from chassis.kafka.tolerant_record_batches import (
    CODEC_MASK,
    CONTROL_MASK,
    HEADER,
    LENGTH_END,
    MAX_RECORDS,
    NEWEST_MAGIC,
    LastStop,
    TolerantRecords,
)

log = structlog.get_logger()

MAX_UNCOUNTED_BYTES = 64 * 1024
"""The headers of a larger batch are counted before aiokafka's parser makes objects of them."""

_stops: dict[TopicPartition, LastStop] = {}
"""The place at which the last response of each partition was left."""


class PlainRecords(MemoryRecords):  # type: ignore[misc]  # aiokafka is not typed
    """aiokafka's own records, of a response in which nothing has to be inflated or limited.

    Every batch has a record for each of its offsets, so the offset of each next record is known. A producer of
    another system may write other offsets into its records. If these offsets were committed, the consumer would skip
    events.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data
        self.begin = 0
        self.end = 0
        self.gaps: dict[int, int] = {}
        """The offset after a batch → the first offset of the next batch, where they differ."""

    def is_plain(self) -> bool:
        """Look at the headers of all batches. False if aiokafka's own parser is not enough for one of them."""
        size = len(self.data)
        position = 0
        records = 0
        while size - position >= HEADER.size:
            base, length, _, magic, _, attributes, last_delta, _, _, _, _, _, count = HEADER.unpack_from(
                self.data, position
            )
            end = position + LENGTH_END + length
            if magic != NEWEST_MAGIC or attributes & (CODEC_MASK | CONTROL_MASK) or count != last_delta + 1:
                return False
            if not 0 < count <= MAX_RECORDS or not HEADER.size <= LENGTH_END + length <= MAX_RECORD_BYTES:
                return False
            if end > size:
                break  # a broker may cut the last batch
            is_large = length > MAX_UNCOUNTED_BYTES
            if is_large and not has_countable_headers(self.data[position + HEADER.size : end], count):
                return False
            if position == 0:
                self.begin = base
            elif base != self.end:
                self.gaps[self.end] = base
            self.end = base + count
            position = end
            records += count
        return 0 < records <= MAX_RECORDS


class AnyRecords(PartitionRecords):  # type: ignore[misc]  # aiokafka is not typed
    """In place of aiokafka's PartitionRecords: it continues with `TolerantRecords` where aiokafka's parser fails."""

    def __init__(self, tp: Any, records: Any, aborted: Any, fetch_offset: int, *rest: Any) -> None:
        self._plain: PlainRecords | None = records if isinstance(records, PlainRecords) else None
        if self._plain is None:
            records.expected_offset = fetch_offset
            records.last_stop = _stops.setdefault(tp, LastStop())
        elif fetch_offset < self._plain.begin:
            self._plain.gaps[fetch_offset] = self._plain.begin
        self._records_iterator: Any
        super().__init__(tp, records, aborted, fetch_offset, *rest)

    def __next__(self) -> Any:
        plain = self._plain
        if plain is None:
            return super().__next__()
        expected = self.next_fetch_offset
        try:
            record = next(self._records_iterator)
            is_in_place = record.offset == expected or record.offset == plain.gaps.get(expected)
            if is_in_place and len(record.headers) <= MAX_HEADERS:
                return record
        except StopIteration:
            if expected >= plain.end:
                self._records_iterator = None
                raise
        except Exception as error:
            log.warning(
                "consumer.batch_malformed",
                topic=self._tp.topic,
                partition=self._tp.partition,
                error=repr(error),
            )
        self._read_tolerantly(plain.data, expected)
        return super().__next__()

    def _read_tolerantly(self, data: bytes, expected: int) -> None:
        self._plain = None
        self.next_fetch_offset = expected
        self._records = TolerantRecords(data)
        self._records.expected_offset = expected
        self._records.last_stop = _stops.setdefault(self._tp, LastStop())
        self._records_iterator = self._unpack_records()


def records_of(data: bytes | None) -> Any:
    """In place of aiokafka's MemoryRecords: its own where they can be used, else `TolerantRecords`."""
    records = PlainRecords(data or b"")
    return records if records.is_plain() else TolerantRecords(data)


def read_any_bytes() -> None:
    """Have every consumer of this process read any bytes."""
    fetcher.MemoryRecords = records_of
    fetcher.PartitionRecords = AnyRecords
