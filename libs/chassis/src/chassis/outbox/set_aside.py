"""A row that cannot be sent is set aside. Rows of other keys and topics are still sent (docs/decisions/0021).

| state    | meaning                                                                                         |
|----------|-------------------------------------------------------------------------------------------------|
| DELAYED  | it is tried again: its topic cannot be written now (missing, forbidden, no leader), the broker  |
|          | refused the batch that it was in, or it waits for an earlier row                                |
| REFUSED  | the broker will never accept it as it is: an operator decides that it is sent again, or never   |
| GIVEN_UP | an operator decided that it is not sent: the relays leave it out                                |

The row stays in `outbox`. An entry in the table `outbox_set_aside` has its id and its state. When the row is sent, the
entry is deleted.

A REFUSED row stops its key: later rows of the key wait as DELAYED rows, and rows of other keys are sent. Any other
DELAYED row stops its topic: later rows of the topic in the shards of the same relay wait. So each key keeps its order.
"""

import asyncio
import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import structlog

from chassis.backoff import Backoff
from chassis.outbox.rows import OutboxRow
from chassis.postgres import Driver, Statements

log = structlog.get_logger()

TRIES = Backoff(first=0.5, longest=30.0)
MAX_ERROR_LENGTH = 1_000

_statements = Statements(__package__)


class UnsentReason(StrEnum):
    """The reason why a row was not acknowledged."""

    REFUSED = "refused"
    """The broker will never accept the row."""
    BATCH_REFUSED = "batch refused"
    """The broker refused the batch that the row was in. It is not known which row of the batch is the cause."""
    TOPIC_UNAVAILABLE = "topic unavailable"
    """The row's topic cannot be written now."""
    EARLIER_ROW = "earlier row"
    """An earlier row of the same topic or key was not sent."""


class Unsent(NamedTuple):
    """A row that was not acknowledged, with the reason. It was not sent, or it is not known whether it was sent."""

    row: OutboxRow
    reason: UnsentReason
    error: str


class RowsNotSent(Exception):
    """The rows in `unsent` were not acknowledged. All other rows of the call were acknowledged.

    A row of `unsent` was not sent, or it is not known whether it was sent.
    """

    def __init__(self, unsent: Sequence[Unsent]) -> None:
        super().__init__(f"{len(unsent)} rows were not sent: {unsent[0].error}")
        self.unsent = unsent


Page = Mapping[int, OutboxRow]
"""Rows by their ids, in the order of ids."""


@dataclass(slots=True)
class _Tries:
    """The number of DELAYED rows of a topic that are tried next, and the earliest time of this try."""

    limit: int = 1
    failures: int = 0
    not_before: float = 0.0


class SetAside:
    """The rows of one relay's shards that are set aside. At most `page` rows of a topic are tried together.

    The relay sets rows aside while `Retries` tries others. Both change the table and call `load` under the lock
    `changing`, so that an older state never replaces a newer one.
    """

    def __init__(self, page: int) -> None:
        self.changing = asyncio.Lock()
        self.loaded = asyncio.Event()
        """Set by each `load`."""
        self.has_delayed = asyncio.Event()
        """Set while a topic has DELAYED rows."""
        self._page = page
        self._topics: set[str] = set()
        self._keys: set[tuple[str, str]] = set()
        self._tries: dict[str, _Tries] = {}

    def __bool__(self) -> bool:
        return bool(self._topics or self._keys)

    def divide(self, rows: Page) -> tuple[Page, list[Unsent]]:
        """Divide rows: those that may be sent, and those that must wait for rows that are set aside."""
        if not self:
            return rows, []
        free: dict[int, OutboxRow] = {}
        waiting: list[Unsent] = []
        for id, row in rows.items():
            if row.topic in self._topics or (row.topic, row.key) in self._keys:
                waiting.append(
                    Unsent(row, UnsentReason.EARLIER_ROW, "earlier rows of its topic or key were not sent")
                )
            else:
                free[id] = row
        return free, waiting

    async def load(self, connection: Driver, shards: Collection[int]) -> None:
        """Read which topics and keys of these shards have rows that are set aside."""
        records = await connection.fetch(_statements.raw("set_aside_keys"), list(shards))
        self._topics = {topic for topic, key in records if key is None}
        self._keys = {(topic, key) for topic, key in records if key is not None}
        self._tries = {topic: self._tries.get(topic, _Tries()) for topic in self._topics}
        self.loaded.set()
        if self._topics:
            self.has_delayed.set()
        else:
            self.has_delayed.clear()

    async def put(self, connection: Driver, owner: UUID, rows: Page, unsent: Sequence[Unsent]) -> None:
        """Set the rows in `unsent` aside. `rows` maps ids to all rows of the page.

        Rows of shards that `owner` no longer has are left out: the other relay sends them.
        """
        ids = {row.event_id: id for id, row in rows.items()}
        await connection.execute(
            _statements.raw("put_aside"),
            owner,
            [ids[each.row.event_id] for each in unsent],
            [each.row.shard for each in unsent],
            [each.row.topic for each in unsent],
            [each.row.key for each in unsent],
            ["REFUSED" if each.reason is UnsentReason.REFUSED else "DELAYED" for each in unsent],
            [each.error[:MAX_ERROR_LENGTH] for each in unsent],
        )
        for each in unsent:
            if each.reason is UnsentReason.REFUSED:
                _log_refused(each)
        topics = {
            each.row.topic: each.error for each in unsent if each.reason is UnsentReason.TOPIC_UNAVAILABLE
        }
        for topic, error in topics.items():
            log.warning("relay.topic_delayed", topic=topic, error=error)

    def due(self) -> list[str]:
        """The topics whose DELAYED rows are due."""
        now = time.monotonic()
        return [topic for topic, tries in self._tries.items() if tries.not_before <= now]

    def seconds_to_next_try(self) -> float:
        """The seconds until rows are due, or 0. Infinity if no topic has DELAYED rows."""
        next_try = min((tries.not_before for tries in self._tries.values()), default=math.inf)
        return max(0.0, next_try - time.monotonic())

    async def next_rows(self, connection: Driver, shards: Collection[int], topic: str) -> Page:
        """The rows of a topic that are tried next, by their ids: its oldest DELAYED rows that wait for no REFUSED row.

        At first this is one row. After each try without a failure it is twice as many, up to `page`. After a failure it
        is one row again.
        """
        limit = self._tries.get(topic, _Tries()).limit
        records = await connection.fetch(_statements.raw("next_delayed"), list(shards), topic, limit)
        return {id: OutboxRow(*row) for id, *row in records}

    async def record(self, connection: Driver, topic: str, rows: Page, unsent: Sequence[Unsent]) -> None:
        """Record the result of a try of a topic's rows, and decide on the next try. `unsent` are those of `rows` that
        were not acknowledged.

        A row that was refused becomes REFUSED. So does a row whose batch was refused, if it was tried alone.
        """
        left = {each.row.event_id for each in unsent}
        sent = [id for id, row in rows.items() if row.event_id not in left]
        await connection.execute(_statements.raw("delete_sent"), sent)
        ids = {row.event_id: id for id, row in rows.items()}
        for each in unsent:
            is_alone = len(rows) == 1 and each.reason is UnsentReason.BATCH_REFUSED
            if each.reason is UnsentReason.REFUSED or is_alone:
                await connection.execute(
                    _statements.raw("mark_refused"), ids[each.row.event_id], each.error[:MAX_ERROR_LENGTH]
                )
                _log_refused(each)
        if rows:
            self._decide_next(topic, unsent)

    def _decide_next(self, topic: str, unsent: Sequence[Unsent]) -> None:
        tries = self._tries.setdefault(topic, _Tries())
        if not unsent:
            tries.failures = 0
            tries.limit = min(2 * tries.limit, self._page)
            return
        tries.limit = 1
        if any(each.reason is UnsentReason.TOPIC_UNAVAILABLE for each in unsent):
            tries.failures += 1
            tries.not_before = time.monotonic() + TRIES.pause(tries.failures)


def _log_refused(unsent: Unsent) -> None:
    row = unsent.row
    log.error(
        "relay.row_refused", topic=row.topic, key=row.key, event_id=str(row.event_id), error=unsent.error
    )
