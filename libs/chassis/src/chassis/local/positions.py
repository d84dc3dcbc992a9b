"""The position of a reader in each shard of each topic, and the pages that it reads from there."""

import json
import math
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.events import RawMessage
from chassis.local.topics import message_of, view_of
from chassis.outbox import SHARDS, OutboxRow, RelayPosition
from chassis.postgres import Driver, Statements

Place = tuple[str, int]
"""(topic, shard)."""

SAVE_SECONDS = 1.0

_statements = Statements(__package__)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of some shards of one topic, and the position behind them."""

    topic: str
    shards: Sequence[int]
    messages: Sequence[RawMessage]
    reached: RelayPosition
    may_be_more: bool


class Positions:
    """The positions of one reader. They are kept in memory, and saved at most once a second."""

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = topics
        self._at: dict[Place, RelayPosition] = {}
        self._changed_at: float | None = None

    async def load(self, connection: Driver) -> None:
        """Read the saved positions. A shard without one begins at the first row of the outbox."""
        records = await connection.fetch(_statements.raw("load_positions"), list(self._topics), SHARDS)
        self._at = {(topic, shard): RelayPosition(*position) for topic, shard, *position in records}
        self._changed_at = None

    def distinct(self, topic: str, without: Collection[Place]) -> list[tuple[RelayPosition, list[int]]]:
        """Each position in a topic with the shards that are there. The shards in `without` are left out."""
        shards: dict[RelayPosition, list[int]] = {}
        for place, position in self._at.items():
            if place[0] == topic and place not in without:
                shards.setdefault(position, []).append(place[1])
        return list(shards.items())

    def advance(self, page: Page, without: Collection[Place]) -> None:
        """Move the shards of a page behind it, except those in `without`."""
        for shard in page.shards:
            if (page.topic, shard) not in without:
                self._at[page.topic, shard] = page.reached
        # A page without a row needs no save: looking at the same rows again finds none of the topic.
        if page.messages and self._changed_at is None:
            self._changed_at = time.monotonic()

    @property
    def save_at(self) -> float:
        """The time of `time.monotonic()` at which they are to be saved: SAVE_SECONDS after a change, or infinity."""
        return math.inf if self._changed_at is None else self._changed_at + SAVE_SECONDS

    async def save(self, connection: Driver, owner: UUID) -> None:
        """Save the positions if any has changed. Without the lease nothing is saved."""
        if self._changed_at is None:
            return
        reached = [
            {
                "topic": topic,
                "shard": shard,
                "snapshot": at.snapshot,
                "upper": at.window_end,
                "after_id": at.after_id,
            }
            for (topic, shard), at in self._at.items()
        ]
        await connection.execute(_statements.raw("save_positions"), owner, json.dumps(reached))
        self._changed_at = None


async def read_page(
    connection: Driver, topic: str, shards: Sequence[int], position: RelayPosition, limit: int
) -> Page:
    """The next rows of these shards of a topic, at most `limit`, in the order of their ids."""
    query = _statements.raw("unseen_records").replace("{view}", view_of(topic))
    records = await connection.fetch(query, list(shards), *position, limit)
    window_end = position.window_end or records[0]["read_snapshot"]
    rows = [(id, OutboxRow(*row)) for _, id, *row in records if id is not None]
    is_last = len(rows) < limit
    reached = (
        RelayPosition(window_end) if is_last else RelayPosition(position.snapshot, window_end, rows[-1][0])
    )
    # While a window is read page by page, the reader does not look for later rows.
    return Page(topic, shards, _messages(rows), reached, not is_last or position.window_end is not None)


def _messages(rows: Iterable[tuple[int, OutboxRow]]) -> list[RawMessage]:
    return [message_of(id, row) for id, row in rows]
