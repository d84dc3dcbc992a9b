"""Log messages of client libraries. Each is delayed for 10 s. Then at most one of each kind is logged per minute.

None is logged during an outage of the library's dependency, and for 30 s after it.

Messages are of one kind if they differ in their arguments alone. aiokafka writes 60 lines a second while its broker is
unavailable. `outages` logs the outage, so these lines add nothing.
"""

import logging
import threading
from dataclasses import dataclass

from chassis.observability.outages import OUTAGES, Outages

DEPENDENCIES = {"aiokafka": "kafka", "asyncpg": "database"}
"""Logger of a client library → its dependency."""
LIMITED = frozenset({*DEPENDENCIES, "opentelemetry", "urllib3"})
HOLD_SECONDS = 10.0
"""Seconds for which a message is delayed, because the outage that causes it is noticed a little later."""
REPEAT_SECONDS = 60.0


@dataclass(slots=True)
class Kind:
    """Messages of one logger that differ in their arguments alone."""

    last: logging.LogRecord
    count: int = 1


class RateLimitedLogHandler(logging.Handler):
    """Passes log records to `target`. Records of client libraries are delayed, counted and limited to one a minute."""

    def __init__(
        self, target: logging.Handler, hold_seconds: float = HOLD_SECONDS, outages: Outages = OUTAGES
    ) -> None:
        super().__init__()
        self._target = target
        self._hold_seconds = hold_seconds
        self._outages = outages
        self._kinds: dict[tuple[str, str], Kind] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on now, later or never. The caller holds the handler's lock."""
        family = record.name.partition(".")[0]
        if family not in LIMITED:
            self._target.handle(record)
            return
        if self._is_away(record):
            return
        key = (record.name, str(record.msg))
        kind = self._kinds.get(key)
        if kind is not None:
            kind.last = record
            kind.count += 1
            return
        self._kinds[key] = Kind(record)
        self._release_later(key, self._hold_seconds)

    def _release_later(self, key: tuple[str, str], seconds: float) -> None:
        timer = threading.Timer(seconds, self._release, [key])
        timer.daemon = True
        timer.start()

    def _release(self, key: tuple[str, str]) -> None:
        """Write the last record of a kind, with the number of its kind. The next is written a minute later."""
        with self.lock or threading.RLock():
            kind = self._kinds.pop(key)
            if not kind.count or self._is_away(kind.last):
                return
            self._target.handle(_counted(kind))
            self._kinds[key] = Kind(kind.last, count=0)
            self._release_later(key, REPEAT_SECONDS)

    def _is_away(self, record: logging.LogRecord) -> bool:
        dependency = DEPENDENCIES.get(record.name.partition(".")[0])
        return dependency is not None and self._outages.is_unsettled(dependency)


def _counted(kind: Kind) -> logging.LogRecord:
    record = kind.last
    if kind.count == 1:
        return record
    counted = logging.makeLogRecord(record.__dict__)
    counted.msg = f"{record.getMessage()} ({kind.count} messages like this one)"
    counted.args = ()
    return counted
