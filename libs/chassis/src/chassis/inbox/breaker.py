"""A circuit breaker: if events of many keys fail in a row with the same error, the system is at fault, not the events.

Without it, after a deployment with a broken handler every event would become a dead letter, and an operator would have
to redrive them all (docs/decisions/0019).
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import asyncpg
import structlog

from chassis.inbox.rounds import InboxEvent
from chassis.observability import metrics

log = structlog.get_logger()

VALUE_SQLSTATES = ("22", "54")
"""First characters of the SQLSTATEs of a value that does not fit, or is too large for an index."""

_DETAILS = re.compile(r"""'[^']*'|"[^"]*"|[0-9a-f]{8}-[0-9a-f-]{27}|\d+""")

Failure = tuple[InboxEvent, Exception]


@dataclass(slots=True)
class _Run:
    """Failures of one event type in a row, with errors of the same kind (see `_kind_of`)."""

    kind: tuple[str, str]
    keys: set[tuple[str, str]] = field(default_factory=set)
    is_open: bool = False


class Breaker:
    """It opens for an event type when events of `keys` different keys failed one after another with the same error.

    Errors about a value of an event, such as ValueError, are not counted. While the breaker is open, an event that
    fails waits in its partition, which is read again after a pause of 2 s at most. The breaker closes when an event of
    that type succeeds. With 0 keys it never opens.
    """

    def __init__(self, keys: int) -> None:
        self._limit = keys
        self._runs: dict[str, _Run] = {}

    @property
    def has_failures(self) -> bool:
        """Whether there is a type whose last event failed. Errors about a value do not count."""
        return bool(self._runs)

    def is_open(self, event_type: str) -> bool:
        """Whether failed events of this type must wait, instead of becoming dead letters."""
        run = self._runs.get(event_type)
        return run is not None and run.is_open

    def record(self, succeeded: Collection[str], failures: Iterable[Failure]) -> None:
        """Record the result of a batch: the types of which an event succeeded, and the events that failed."""
        for event_type in succeeded:
            self._close(event_type)
        for event, error in failures:
            if event.envelope.type not in succeeded and not _blames_a_value(error):
                self._count(event, error)

    def _count(self, event: InboxEvent, error: Exception) -> None:
        event_type = event.envelope.type
        kind = _kind_of(error)
        run = self._runs.get(event_type)
        if run is None or (run.kind != kind and not run.is_open):
            run = self._runs[event_type] = _Run(kind)
        if run.is_open:
            return
        run.keys.add(event.key)
        if 0 < self._limit <= len(run.keys):
            run.is_open = True
            metrics.BREAKERS_OPEN.labels(event_type).set(1)
            log.error("breaker.open", type=event_type, keys=len(run.keys), error=repr(error))

    def _close(self, event_type: str) -> None:
        run = self._runs.pop(event_type, None)
        if run is not None and run.is_open:
            metrics.BREAKERS_OPEN.labels(event_type).set(0)
            log.info("breaker.closed", type=event_type)


def _blames_a_value(error: Exception) -> bool:
    """Whether the error is about a value of the event. Several events of another program often fail in this way."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(VALUE_SQLSTATES)
    return isinstance(error, ValueError | ArithmeticError)


def _kind_of(error: Exception) -> tuple[str, str]:
    """The class of the error, with its SQLSTATE or with its text without numbers, ids and quoted names."""
    sqlstate = error.sqlstate if isinstance(error, asyncpg.PostgresError) else None
    return type(error).__qualname__, sqlstate or _DETAILS.sub("_", str(error))
