"""What has moved along each edge of the map since the last frame."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shop_floor.looks import Reading
from shop_observe.kafka_log import Entry
from shop_observe.timeline import short
from shop_observe.topics import Topic

MOST_A_SECOND = 50
"""Records a second of one edge that are shown one by one. Above it, the edge has a count."""
WINDOW_SECONDS = 1.0


@dataclass
class Edge:
    """One way of records: from a service to its topic, or from a topic to a reader."""

    source: str
    to: str
    times: deque[tuple[float, int]] = field(default_factory=deque)
    count: int = 0
    """Records since the last frame."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Short event type → the records since the last frame."""

    def add(self, now: float, records: int, kind: str = "") -> None:
        self.count += records
        if kind:
            self.kinds[kind] += records
        if self.times and self.times[-1][0] == now:
            self.times[-1] = (now, self.times[-1][1] + records)
        else:
            self.times.append((now, records))

    def rate(self, now: float) -> int:
        """The records of the last second."""
        while self.times and self.times[0][0] <= now - WINDOW_SECONDS:
            self.times.popleft()
        return sum(records for _, records in self.times)

    def take(self, now: float) -> dict[str, Any] | None:
        """What has moved since the last frame; None if nothing did and nothing was moving."""
        rate = self.rate(now)
        if not self.count and not rate:
            return None
        told = {"from": self.source, "to": self.to, "n": self.count, "rate": rate}
        if rate <= MOST_A_SECOND:
            told["kinds"] = dict(self.kinds.most_common(8))
        self.count = 0
        self.kinds.clear()
        return told


class Moves:
    """All edges of the map."""

    def __init__(self, topics: Iterable[Topic], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._owners = {topic.name: topic.owner for topic in topics}
        self._edges: dict[tuple[str, str], Edge] = {}
        self._read: dict[tuple[str, str], int] = {}

    def written(self, entries: Iterable[Entry]) -> None:
        """Count records that services have published. Records of one batch count as one moment."""
        now = self._clock()
        for entry in entries:
            name = "?" if entry.fault else short(entry.type)
            self._edge(self._owners[entry.topic], entry.topic).add(now, 1, name[:60])

    def read(self, readings: Mapping[tuple[str, str], Reading]) -> None:
        """Count records that groups have read since the last call: how far their committed offsets have moved."""
        now = self._clock()
        for (service, topic), reading in readings.items():
            before = self._read.get((service, topic))
            self._read[service, topic] = reading.read
            if before is not None and reading.read > before:
                self._edge(topic, service).add(now, reading.read - before)

    def take(self) -> list[dict[str, Any]]:
        """What has moved since the last call, one object for each edge on which something did."""
        now = self._clock()
        return [told for edge in self._edges.values() if (told := edge.take(now))]

    def _edge(self, source: str, to: str) -> Edge:
        return self._edges.setdefault((source, to), Edge(source, to))
