"""Outages: a log line when a dependency becomes unavailable, one a minute meanwhile, and one when it is back.

All tasks of a process report here, so that five tasks that wait for one database write one line and not five.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from chassis.errors import UNKNOWN, KafkaRefused, is_refusal
from chassis.observability import metrics

log = structlog.get_logger()

REPEAT_SECONDS = 60.0
QUIET_SECONDS = 6.0
"""An outage ends with the first answer that comes at least these seconds after the last failure. Most tasks try again
within 5 s, so a task that still fails is usually noticed in this time. A later failure begins a new outage.
"""

SETTLE_SECONDS = 30.0
"""Seconds after an outage within which clients join their groups and find their leaders again."""


@dataclass(slots=True)
class Outage:
    """A dependency that is unavailable. Times are those of the clock of `Outages`."""

    began_at: float
    failed_at: float
    logged_at: float
    failures: int = 0
    tasks: set[str] = field(default_factory=set)


class Outages:
    """The dependencies that are unavailable to this process. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[str, Outage] = {}
        self._ended_at: dict[str, float] = {}

    def is_away(self, dependency: str) -> bool:
        """Whether an outage of `dependency` has begun and has not ended."""
        return dependency in self._open

    def is_unsettled(self, dependency: str) -> bool:
        """Whether `dependency` is unavailable, or was so lately that its clients may still be connecting."""
        ended_at = self._ended_at.get(dependency)
        settles = ended_at is not None and self._clock() - ended_at < SETTLE_SECONDS
        return settles or self.is_away(dependency)

    def failed(self, dependency: str, task: str, error: BaseException) -> None:
        """Note that `task` could not do its work, because `dependency` is unavailable.

        `task` tries again by itself. If the dependency is `unknown`, each failure has a log line of its own
        (`task.tries_again`). A refusal of the login or of a right is counted, too: time does not repair it.
        """
        if is_refusal(error):
            metrics.REFUSALS.labels(dependency).inc()
        if dependency == UNKNOWN:
            log.warning("task.tries_again", task=task, error=_shown(error))
            return
        now = self._clock()
        outage = self._open.get(dependency)
        if outage is None:
            outage = self._open[dependency] = Outage(now, now, now)
            metrics.DEPENDENCY_AWAY.labels(dependency).set(1)
            log.warning("outage.began", dependency=dependency, task=task, error=_shown(error))
        elif now - outage.logged_at >= REPEAT_SECONDS:
            outage.logged_at = now
            log.warning("outage.goes_on", dependency=dependency, **_summary(outage, now), error=_shown(error))
        outage.failed_at = now
        outage.failures += 1
        outage.tasks.add(task)

    def answered(self, dependency: str) -> None:
        """Note that `dependency` has answered. This is cheap while no dependency is unavailable."""
        outage = self._open.get(dependency)
        if outage is not None and self._clock() - outage.failed_at >= QUIET_SECONDS:
            del self._open[dependency]
            metrics.DEPENDENCY_AWAY.labels(dependency).set(0)
            self._ended_at[dependency] = self._clock()
            log.info("outage.ended", dependency=dependency, **_summary(outage, outage.failed_at))


def _summary(outage: Outage, until: float) -> dict[str, object]:
    return {
        "seconds": round(until - outage.began_at, 1),
        "failures": outage.failures,
        "tasks": sorted(outage.tasks),
    }


def _shown(error: BaseException) -> str:
    """The error, or the one from which it was raised. A refusal is shown in full."""
    if isinstance(error, KafkaRefused):
        return str(error)
    cause = error.__cause__
    return repr(cause if isinstance(cause, Exception) else error)


OUTAGES = Outages()
"""The outages that this process sees."""
