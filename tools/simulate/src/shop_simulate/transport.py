"""The simulated log: records of topics, and the place of each consumer group in each key's records.

Each key is a lane of its own, so a group may get the records of different keys in any order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from chassis.events import Cause, RawMessage, encode
from chassis.outbox import OutboxRow, key_hash
from shop_observe.contract import Contract
from shop_observe.kafka_log import Entry, to_entry
from shop_observe.topics import Topic


class Lane(NamedTuple):
    """The records of one key that one group reads from one topic."""

    group: str
    topic: str
    key: str


class Record(NamedTuple):
    """A record as the reader of the real log gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]


class Transport:
    """The log of all topics. `topics` are those of the contracts, those of dead letters included."""

    def __init__(self, topics: Sequence[Topic], contract: Contract) -> None:
        self._topics = {topic.name: topic for topic in topics}
        self._contract = contract
        self._ends: Counter[tuple[str, int]] = Counter()
        self.entries: list[Entry] = []
        self.lanes: defaultdict[Lane, list[RawMessage]] = defaultdict(list)
        self.positions: Counter[Lane] = Counter()

    def copy(self) -> Transport:
        """A log with the same records, which changes independently."""
        other = Transport(list(self._topics.values()), self._contract)
        other._ends = self._ends.copy()
        other.entries = list(self.entries)
        other.lanes = defaultdict(list, {lane: list(records) for lane, records in self.lanes.items()})
        other.positions = self.positions.copy()
        return other

    def append(self, service: str, rows: Sequence[OutboxRow], written_at: Mapping[str, datetime]) -> None:
        """Append the rows of a service's outbox. `written_at` has the simulated time of each event id."""
        for row in rows:
            self._append(service, row, written_at[str(row.event_id)])

    def _append(self, service: str, row: OutboxRow, at: datetime) -> None:
        topic = self._topics[row.topic]
        partition = key_hash(row.key.encode()) % topic.partitions
        offset = self._ends[row.topic, partition]
        self._ends[row.topic, partition] += 1
        cause = Cause(row.causation_id, row.correlation_id, row.traceparent)
        headers = encode(row.event_id, f"/{service}", row.type, row.key, at, cause)
        key, value = row.key.encode(), row.data.encode()
        record = Record(row.topic, partition, offset, round(at.timestamp() * 1000), key, value, headers)
        self.entries.append(to_entry(record, self._contract))
        message = RawMessage(row.topic, (partition, offset), key, value, headers)
        for group in topic.readers:
            self.lanes[Lane(group, row.topic, row.key)].append(message)

    def unread(self, lane: Lane) -> Sequence[RawMessage]:
        """The records of a lane that its group has not taken, in their order."""
        return self.lanes[lane][self.positions[lane] :]

    def unread_lanes(self, group: str) -> list[Lane]:
        """The lanes of a group with unread records."""
        return [
            lane
            for lane, records in self.lanes.items()
            if lane.group == group and self.positions[lane] < len(records)
        ]

    def commit(self, lane: Lane, taken: int) -> None:
        """Move the group's place behind the next `taken` records."""
        self.positions[lane] += taken

    def rewind(self, lane: Lane) -> None:
        """Move the group's place back to the first record: all records are delivered again."""
        self.positions[lane] = 0

    def swap(self, lane: Lane) -> None:
        """Exchange the next two unread records, as if a topic had got more partitions between them."""
        place = self.positions[lane]
        records = self.lanes[lane]
        records[place], records[place + 1] = records[place + 1], records[place]
