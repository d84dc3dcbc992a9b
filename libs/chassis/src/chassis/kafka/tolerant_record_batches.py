"""Batches of records from any bytes of a response. A placeholder record replaces bytes that are no record.

`TolerantRecords` and `TolerantBatch` have the attributes that aiokafka's fetcher reads of its own `MemoryRecords` and
batches.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch

from chassis.kafka.inflate import inflate
from chassis.kafka.salvage import (
    MAX_RECORD_BYTES,
    Place,
    RecordBatch,
    SalvagedRecord,
    cut_to_size,
    end_of_record,
    placeholder,
    salvage,
)

MAX_RECORDS = 500
"""The maximum number of records that are read of one response. Then the consumer reads other partitions."""

MAX_INFLATED_BYTES_PER_RESPONSE = 2 * 1024 * 1024
"""After this number of inflated bytes of one response the consumer reads other partitions."""

MAX_LOST_OFFSETS = 1 << 20
"""The maximum number of offsets of an unreadable batch. A larger number in its header is not believed."""

HEADER = struct.Struct(">qiibIhiqqqhii")
"""A batch's header: base offset, length, leader epoch, magic, CRC, attributes, last offset delta, first and last
timestamp, producer id and epoch, base sequence, count of records."""

LENGTH_END = 12
MAGIC_AT = 16
LEGACY_CODEC_AT = 17
SHORTEST_BATCH = 26
CODEC_MASK = 7
CONTROL_MASK = 32
NEWEST_MAGIC = 2


class Unreadable(Exception):
    """A batch of which no record can be read."""


@dataclass(slots=True)
class LastStop:
    """The place at which the last response of a partition ended within a batch. The next response continues there.

    Without it each response would read the batch from its start.
    """

    batch: tuple[int, int] | None = None
    """The base offset and the CRC."""
    place: Place | None = None


class TolerantRecords:
    """The batches of one partition in one response. They may be any bytes."""

    def __init__(self, data: bytes | None) -> None:
        self._data = bytes(data or b"")
        self._position = 0
        self.expected_offset = 0
        """The offset of the next record: at first the requested offset, then the one after the last batch."""
        self.records_left = MAX_RECORDS
        self.bytes_left = MAX_INFLATED_BYTES_PER_RESPONSE
        self.last_stop = LastStop()

    def size_in_bytes(self) -> int:
        """The size of the response in bytes."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether there is a next batch, and the limits of the response are not reached.

        A broker may cut the last batch of a response, and not the first one. A batch that was cut is not read.
        """
        if self._position == 0:
            return bool(self._data)
        is_used_up = self.records_left <= 0 or self.bytes_left <= 0
        return not is_used_up and self._end_of_batch() <= len(self._data)

    def next_batch(self) -> "TolerantBatch":
        """The next batch. Unlike aiokafka's, it never raises: a record that cannot be read has a placeholder."""
        start = self._position
        end = min(self._end_of_batch(), len(self._data))
        self._position = end
        data = memoryview(self._data)[start:end]
        following = self._offset_at(end)
        return TolerantBatch(self, data, self.expected_offset, following)

    def _end_of_batch(self) -> int:
        """The end of the batch at the position. If its length cannot be right, all bytes are one batch."""
        start = self._position
        if len(self._data) - start < LENGTH_END:
            return len(self._data) + (start > 0)
        (length,) = struct.unpack_from(">i", self._data, start + 8)
        return len(self._data) if length < SHORTEST_BATCH - LENGTH_END else start + LENGTH_END + int(length)

    def _offset_at(self, position: int) -> int | None:
        """The base offset of the batch at `position`, if there is one."""
        if len(self._data) - position < LENGTH_END:
            return None
        return int(struct.unpack_from(">q", self._data, position)[0])


class TolerantBatch:
    """A batch with the attributes that aiokafka reads of its own. Placeholders replace unreadable records."""

    def __init__(
        self, response: TolerantRecords, data: memoryview, expected: int, following: int | None
    ) -> None:
        self._response = response
        self._data = data
        self._expected = expected
        self._following = following
        self._fault: Exception | None = None
        self._batch: Any = None
        self._parts: RecordBatch | None = None
        self._place = Place(0, 0, 0)
        self._identity = (0, 0)
        self.base_offset = expected
        self.producer_id: int | None = None
        self.is_control_batch = False
        self.is_transactional = False
        self.next_offset = expected + 1
        try:
            self._open()
        except Exception as error:
            self._fault = error
            self.next_offset = self._offset_behind_unreadable()
        response.expected_offset = self.next_offset
        self._rows = self._read()

    def validate_crc(self) -> bool:
        """Always true, because aiokafka raises otherwise. A placeholder replaces a batch with a wrong CRC."""
        return True

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def __next__(self) -> Any:
        return next(self._rows)

    def _open(self) -> None:
        """Read the header. Raises if no record of the batch can be read."""
        if len(self._data) < SHORTEST_BATCH:
            raise Unreadable(f"{len(self._data)} bytes are no batch of records")
        magic = self._data[MAGIC_AT]
        if magic > NEWEST_MAGIC:
            raise Unreadable(f"batches of the format {magic} are not known")
        if magic < NEWEST_MAGIC:
            batch = self._open_legacy(magic)
        else:
            batch = DefaultRecordBatch(self._data) if len(self._data) >= HEADER.size else None
        if batch is None or not batch.validate_crc():
            raise Unreadable("the CRC is wrong: the batch is damaged")
        self._batch = batch
        (self.base_offset,) = struct.unpack_from(">q", self._data)
        self.producer_id = batch.producer_id
        self.is_control_batch = batch.is_control_batch
        self.is_transactional = batch.is_transactional
        if magic == NEWEST_MAGIC:
            self._open_records()
        self.next_offset = max(self._expected, batch.next_offset)

    def _open_legacy(self, magic: int) -> Any:
        if self._data[LEGACY_CODEC_AT] & CODEC_MASK:
            raise Unreadable("compressed records of a format older than Kafka 0.11 are not read")
        return LegacyRecordBatch(bytes(self._data), magic)

    def _open_records(self) -> None:
        """Inflate the records, and keep the parts of the batch for the parser that continues where aiokafka's fails."""
        header = list(HEADER.unpack_from(self._data))
        codec = header[5] & CODEC_MASK
        records = bytes(self._data[HEADER.size :])
        if codec:
            records = inflate(codec, records)
            self._response.bytes_left -= len(records)
            header[5] &= ~CODEC_MASK
        base, last_delta, first_timestamp, count = header[0], header[6], header[7], header[12]
        if last_delta < 0:
            raise Unreadable(f"its last offset lies {-last_delta} before its first")
        self._parts = RecordBatch(
            base, base + last_delta, first_timestamp, count, records, base, count == last_delta + 1
        )
        self._identity = (base, header[4])
        self._place = self._first_place(base)
        header[12] -= self._place.before
        self._batch = DefaultRecordBatch(HEADER.pack(*header) + records[self._place.position :])

    def _first_place(self, base: int) -> Place:
        stop = self._response.last_stop
        if stop.place is None or stop.batch != self._identity or stop.place.next_offset > self._expected:
            return Place(0, 0, base)
        return stop.place

    def _offset_behind_unreadable(self) -> int:
        """The next offset: that of the next batch if the response has one, else the header's, within limits."""
        if (
            self._following is not None
            and self._expected < self._following <= self._expected + MAX_LOST_OFFSETS
        ):
            return self._following
        if len(self._data) >= HEADER.size:
            header = HEADER.unpack_from(self._data)
            behind = int(header[0]) + int(header[6]) + 1
            if self._expected < behind <= self._expected + MAX_LOST_OFFSETS:
                return behind
        return self._expected + 1

    def _read(self) -> Iterator[Any]:
        if self._fault is not None:
            yield placeholder(
                self.next_offset - 1, 0, bytes(self._data), f"not a batch of records: {self._fault!r}"
            )
            return
        for record in self._records():
            yield record
            if record.offset >= self._expected:
                self._response.records_left -= 1
            if self._response.records_left <= 0:
                self.next_offset = record.offset + 1
                self._response.last_stop.batch = self._identity
                self._response.last_stop.place = self._place
                return

    def _records(self) -> Iterator[Any]:
        parts = self._parts
        if parts is None:
            yield from self._legacy_records()
            return
        may_be_too_large = len(parts.records) > MAX_RECORD_BYTES
        try:
            for record in self._counted(parts):
                yield cut_to_size(_copy(record)) if may_be_too_large else record
        except Exception:
            start = self._place
            for number, (salvaged, end) in enumerate(salvage(parts.rest_from(start)), 1):
                self._place = Place(start.before + number, start.position + end, salvaged.offset + 1)
                yield cut_to_size(salvaged)

    def _counted(self, parts: RecordBatch) -> Iterator[Any]:
        """aiokafka's records. Raises before it reads a record with too many headers, and at an offset out of place."""
        records = iter(self._batch)
        while True:
            at = self._place
            end = end_of_record(parts.records, at.position) if at.before < parts.record_count else at.position
            record = next(records, None)
            if record is None:
                return
            if not at.next_offset <= record.offset <= parts.latest(at.next_offset):
                raise Unreadable(f"the offset {record.offset} is not in its place")
            self._place = Place(at.before + 1, end, record.offset + 1)
            yield record

    def _legacy_records(self) -> Iterator[Any]:
        may_be_too_large = len(self._data) > MAX_RECORD_BYTES
        try:
            for record in self._batch:
                yield cut_to_size(_copy(record)) if may_be_too_large else record
        except Exception as error:
            yield placeholder(self.next_offset - 1, 0, bytes(self._data), f"not a record: {error!r}")


def _copy(record: Any) -> SalvagedRecord:
    return SalvagedRecord(
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        list(record.headers),
        record.timestamp_type,
        record.checksum,
    )
