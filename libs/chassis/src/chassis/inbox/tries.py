"""Counts the tries of events that fail. The counts are in memory, so a process that starts again begins with none."""

from chassis.inbox.rounds import InboxEvent
from chassis.observability import metrics

MAX_COUNTED = 10_000
"""The maximum number of keys whose events are counted. An event whose partition has moved to another replica stays
counted here until newer events replace it."""


class Tries:
    """The failed tries of each event, until it succeeds or is a dead letter. An event has `max_tries` tries."""

    def __init__(self, max_tries: int) -> None:
        self._max_tries = max_tries
        self._failed: dict[tuple[str, object], int] = {}
        self._of_key: dict[tuple[str, str], tuple[str, object]] = {}

    def has_failed(self, key: tuple[str, str]) -> bool:
        """Whether an event of this key has failed and will be tried again."""
        return key in self._of_key

    def count(self, event: InboxEvent, *, is_last: bool = False) -> None:
        """Count one failed try of this event. With `is_last` no try is left."""
        metrics.EVENT_TRIES_FAILED.labels(event.envelope.type).inc()
        self._failed[event.identity] = self._max_tries if is_last else self._failed.get(event.identity, 0) + 1
        self._of_key[event.key] = event.identity
        if len(self._of_key) > MAX_COUNTED:
            self._forget(next(iter(self._of_key)))

    def are_left(self, event: InboxEvent) -> bool:
        """Whether a failed event may be tried again."""
        return self._failed.get(event.identity, 0) < self._max_tries

    def end(self, event: InboxEvent) -> None:
        """Forget the tries of this event: it was handled, or is a dead letter."""
        if self._of_key.get(event.key) == event.identity:
            self._forget(event.key)

    def _forget(self, key: tuple[str, str]) -> None:
        self._failed.pop(self._of_key.pop(key), None)
