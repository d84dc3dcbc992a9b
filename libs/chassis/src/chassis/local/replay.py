"""Reads the topics of a database from their first row to their present end.

The end is a PostgreSQL snapshot. A row that is not visible in it was committed later, although its id may be smaller
than that of another row. The live handlers get such a row after the pass has begun.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from chassis.events import RawMessage
from chassis.local.topics import message_of, view_of
from chassis.outbox import OutboxRow
from chassis.postgres import Driver, Password, Statements, connect, raising_database_silent

STATEMENT_SECONDS = 30.0
FIRST_ID = 1
"""The id of the first row of an outbox."""

_statements = Statements(__package__)


class OutboxReplay:
    """One pass over topics (`chassis.replaying.Replay`), one topic after the other.

    A topic has one partition, `all`.
    """

    def __init__(self, connection: Driver, topics: Collection[str]) -> None:
        self._connection = connection
        self._topics = sorted(topics)
        self._snapshot = ""
        self._at: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        self.read = 0
        self.total = 0

    @property
    def positions(self) -> Mapping[str, int]:
        """`topic/all` → the id from which the next row is looked for."""
        return {f"{topic}/all": position for topic, position in self._at.items()}

    @property
    def is_finished(self) -> bool:
        """Whether all rows up to the end were given."""
        return all(self._at[topic] >= self._ends[topic] for topic in self._topics)

    async def begin(self, saved: Mapping[str, int]) -> None:
        """Read the ends, and go to the saved positions."""
        self._snapshot = await self._connection.fetchval("SELECT pg_current_snapshot()::text")
        for topic in self._topics:
            before = saved.get(f"{topic}/all", FIRST_ID)
            found = await self._connection.fetchrow(
                self._query("count_records", topic), self._snapshot, before
            )
            assert found is not None
            self._ends[topic] = found["last"] + 1
            # A saved position behind the end is from other tables: start at the beginning.
            is_usable = before <= self._ends[topic]
            self._at[topic] = before if is_usable else FIRST_ID
            self.read += found["before"] if is_usable else 0
            self.total += found["total"]

    async def next(self, limit: int) -> Sequence[RawMessage]:
        """The next rows of one topic, at most `limit`."""
        topic = next(topic for topic in self._topics if self._at[topic] < self._ends[topic])
        query = self._query("next_records", topic)
        records = await raising_database_silent(
            self._connection.fetch(query, self._snapshot, self._at[topic], limit)
        )
        self._at[topic] = self._ends[topic] if len(records) < limit else records[-1]["id"] + 1
        self.read += len(records)
        return [message_of(id, OutboxRow(*row)) for id, *row in records]

    async def lost(self) -> set[str]:
        """The topics whose first rows may have been deleted: their outbox no longer begins with its first row.

        The first transaction may have been rolled back. Then its outbox counts as one that has lost rows.
        """
        lost = set()
        for topic in self._topics:
            first = await self._connection.fetchval(f"SELECT min(id) FROM {view_of(topic)}")
            if first is not None and first > FIRST_ID:
                lost.add(topic)
        return lost

    def _query(self, name: str, topic: str) -> str:
        return _statements.raw(name).replace("{view}", view_of(topic))


@asynccontextmanager
async def replay_of_outboxes(
    url: str,
    password: Password | None,
    server_settings: Mapping[str, str],
    topics: Collection[str],
    saved: Mapping[str, int],
) -> AsyncIterator[OutboxReplay]:
    """A pass over `topics` of the database at `url`."""
    connection = await connect(url, STATEMENT_SECONDS, server_settings, password)
    try:
        replay = OutboxReplay(connection, topics)
        await raising_database_silent(replay.begin(saved))
        yield replay
    finally:
        connection.terminate()
