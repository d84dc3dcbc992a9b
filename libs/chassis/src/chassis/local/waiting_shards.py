"""Shards that wait: a message in them was not taken, and is read again after a pause. Other shards continue."""

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import structlog

from chassis.backoff import Backoff
from chassis.local.positions import Place
from chassis.observability import metrics

log = structlog.get_logger()

LONGEST_SECONDS = 2.0
"""The pauses are short, because later messages of other keys in the shard wait, too."""


@dataclass(slots=True)
class _Pause:
    count: int = 0
    until: float = 0.0


class WaitingShards:
    """The shards of topics that wait for a message. A metric has their number.

    `first_seconds` is the first pause of a shard. Its pauses double, up to LONGEST_SECONDS, until `forget`.
    """

    def __init__(self, first_seconds: float) -> None:
        self._backoff = Backoff(first=first_seconds, longest=LONGEST_SECONDS)
        self._pauses: dict[Place, _Pause] = {}

    def pause(self, places: Iterable[Place]) -> None:
        """Read these shards again after a pause, each for about twice as long as the last time."""
        for place in places:
            pause = self._pauses.setdefault(place, _Pause())
            pause.count += 1
            seconds = self._backoff.pause(pause.count)
            pause.until = time.monotonic() + seconds
            log.warning("reader.shard_waits", topic=place[0], shard=place[1], retry_in=round(seconds, 2))
        metrics.SHARDS_WAITING.set(len(self._pauses))

    def now(self) -> Collection[Place]:
        """The shards whose pause has not ended."""
        if not self._pauses:
            return ()
        now = time.monotonic()
        return {place for place, pause in self._pauses.items() if pause.until > now}

    def topics(self) -> set[str]:
        """The topics that have a shard that waits or has waited."""
        return {topic for topic, _ in self._pauses}

    def seconds_to_next(self, otherwise: float) -> float:
        """Seconds until the next pause ends, at most `otherwise`."""
        if not self._pauses:
            return otherwise
        now = time.monotonic()
        return max(0.0, min(otherwise, *(pause.until - now for pause in self._pauses.values())))

    def forget(self, places: Iterable[Place]) -> None:
        """Forget the pauses of these shards, because all of their messages were taken."""
        if self._pauses:
            for place in places:
                self._pauses.pop(place, None)
            metrics.SHARDS_WAITING.set(len(self._pauses))
