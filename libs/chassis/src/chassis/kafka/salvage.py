"""Reads a batch that aiokafka cannot parse. It returns the readable records, and placeholders for the rest.

The value of a placeholder record is the unreadable bytes. Its header `chassis-unreadable` says why. The inbox makes a
dead letter of it, as of any other message that is no event.
"""

from collections.abc import Iterator
from typing import NamedTuple

from chassis.events.envelope import UNREADABLE

MAX_RECORD_BYTES = 1024 * 1024
"""The maximum size of key, value and headers that a broker accepts by default."""

MAX_KEPT_BYTES = 64 * 1024
"""The bytes that are kept of a larger record."""

MAX_HEADERS = 1_000
"""A record with more headers is not read. Headers need much more memory than bytes: an empty one has 2 bytes and needs
64."""

MAX_KEPT_HEADERS = 50
MAX_KEPT_HEADER_BYTES = 1_000

Header = tuple[str, bytes | None]


class SalvagedRecord(NamedTuple):
    """A record with the attributes that aiokafka reads of its own records."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[Header]
    timestamp_type: int = 0
    checksum: int | None = None


class MalformedRecord(ValueError):
    """The bytes are no record."""


def placeholder(offset: int, timestamp: int, data: bytes, why: str) -> SalvagedRecord:
    """A placeholder record for bytes that are no record. Its value is the first MAX_RECORD_BYTES of these bytes."""
    return SalvagedRecord(
        offset, timestamp, None, data[:MAX_RECORD_BYTES], [(UNREADABLE, why.encode(errors="replace"))]
    )


def cut_to_size(record: SalvagedRecord) -> SalvagedRecord:
    """The record, or the beginning of one that is too large or has too many headers, with the header that says so."""
    size = len(record.key or b"") + len(record.value or b"")
    size += sum(len(name) + len(value or b"") for name, value in record.headers)
    if size <= MAX_RECORD_BYTES and len(record.headers) <= MAX_HEADERS:
        return record
    why = f"the record has {size} bytes and {len(record.headers)} headers"
    why += f", {MAX_RECORD_BYTES} and {MAX_HEADERS} are read"
    kept = [
        (name[:MAX_KEPT_HEADER_BYTES], (value or b"")[:MAX_KEPT_HEADER_BYTES])
        for name, value in record.headers[:MAX_KEPT_HEADERS]
    ]
    return SalvagedRecord(
        record.offset,
        record.timestamp,
        None if record.key is None else record.key[:MAX_KEPT_HEADER_BYTES],
        None if record.value is None else record.value[:MAX_KEPT_BYTES],
        [*kept, (UNREADABLE, why.encode())],
    )


class RecordBatch(NamedTuple):
    """The fields of a batch's header that its records need, and the inflated bytes from the next record on."""

    base_offset: int
    last_offset: int
    first_timestamp: int
    record_count: int
    """The number of records that are still to be read."""
    records: bytes
    next_offset: int
    """The first offset that the next record may have."""
    is_dense: bool
    """Whether each offset has a record. A compacted batch has fewer records than offsets."""

    def latest(self, next_offset: int) -> int:
        """The last offset that the next record may have."""
        return next_offset if self.is_dense else self.last_offset

    def rest_from(self, place: "Place") -> "RecordBatch":
        """The batch without the records before `place`."""
        return self._replace(
            record_count=self.record_count - place.before,
            records=self.records[place.position :],
            next_offset=place.next_offset,
        )


class Place(NamedTuple):
    """The next record of a batch that is read in parts."""

    before: int
    """The number of records before it."""
    position: int
    """In the inflated bytes of the records."""
    next_offset: int
    """The first offset that the record may have."""


def end_of_record(records: bytes, position: int) -> int:
    """The end of the record at `position`.

    Raises MalformedRecord or IndexError if its headers cannot be counted, or are more than MAX_HEADERS.

    aiokafka's parser builds all headers before it looks at the length of the record.
    """
    start, end = _bounds(records, position)
    if records[start] >= 0x80:
        raise MalformedRecord("its attributes are no byte")  # aiokafka reads a number of any length
    _, at = _varint(records, start + 1)
    _, at = _varint(records, at)
    for _ in ("key", "value"):
        length, at = _varint(records, at)
        at += max(length, 0)
    count, at = _varint(records, at)
    if at > end:
        raise MalformedRecord("its key and value are longer than the record")
    if not 0 <= count <= MAX_HEADERS:
        raise MalformedRecord(f"it has {count} headers, {MAX_HEADERS} are read")
    return end


def has_countable_headers(records: bytes, count: int) -> bool:
    """Whether `end_of_record` accepts the first `count` records."""
    position = 0
    try:
        for _ in range(count):
            position = end_of_record(records, position)
    except (MalformedRecord, IndexError):
        return False
    return True


def salvage(batch: RecordBatch) -> Iterator[tuple[SalvagedRecord, int]]:
    """The records of a batch that are still to be read, each with the position after it.

    Their offsets grow up to the last one of the batch.
    """
    position = 0
    offset = batch.next_offset - 1
    for _ in range(max(batch.record_count, 0)):
        try:
            start, end = _bounds(batch.records, position)
        except MalformedRecord as error:
            rest = batch.records[position:]
            lost = f"{error}; all behind it is lost"
            yield placeholder(batch.last_offset, batch.first_timestamp, rest, lost), len(batch.records)
            return
        record = _read(batch, batch.records[start:end], offset + 1)
        position = end
        offset = record.offset
        yield record, position
    if position < len(batch.records):
        rest = batch.records[position:]
        behind = "bytes behind the batch's last record"
        yield placeholder(batch.last_offset, batch.first_timestamp, rest, behind), len(batch.records)


def _read(batch: RecordBatch, data: bytes, next_offset: int) -> SalvagedRecord:
    try:
        record = _parse(batch, data)
        if not next_offset <= record.offset <= batch.latest(next_offset):
            raise MalformedRecord(f"its offset {record.offset} is not in its place")
    except (MalformedRecord, IndexError) as error:
        offset = min(next_offset, batch.last_offset)
        return placeholder(offset, batch.first_timestamp, data, f"not a record: {error}")
    return record


def _bounds(records: bytes, position: int) -> tuple[int, int]:
    """The begin and the end of the bytes of the record at `position`."""
    try:
        length, start = _varint(records, position)
    except IndexError:
        raise MalformedRecord("the batch ends before its last record") from None
    if not 0 <= length <= len(records) - start:
        raise MalformedRecord(f"a record has {length} bytes, which the batch has not")
    return start, start + length


def _parse(batch: RecordBatch, data: bytes) -> SalvagedRecord:
    timestamp_delta, position = _varint(data, 1)  # after the attributes, which Kafka does not use
    offset_delta, position = _varint(data, position)
    key, position = _bytes(data, position)
    value, position = _bytes(data, position)
    count, position = _varint(data, position)
    if not 0 <= count <= MAX_HEADERS:
        raise MalformedRecord(f"it has {count} headers, {MAX_HEADERS} are read")
    headers: list[Header] = []
    for _ in range(count):
        name, position = _bytes(data, position)
        header_value, position = _bytes(data, position)
        # aiokafka fails, because it decodes names as strict UTF-8. Kafka accepts any bytes.
        headers.append(((name or b"").decode(errors="backslashreplace"), header_value))
    if position != len(data):
        raise MalformedRecord(f"{len(data) - position} bytes are left behind its headers")
    timestamp = batch.first_timestamp + timestamp_delta
    return SalvagedRecord(batch.base_offset + offset_delta, timestamp, key, value, headers)


def _bytes(data: bytes, position: int) -> tuple[bytes | None, int]:
    length, position = _varint(data, position)
    if length < 0:
        return None, position
    if length > len(data) - position:
        raise MalformedRecord(f"a part of it has {length} bytes, which the record has not")
    return data[position : position + length], position + length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A zigzag varint of at most 64 bits, and the position after it. Raises IndexError where the bytes end."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
    raise MalformedRecord("a number in it has more than 64 bits")
