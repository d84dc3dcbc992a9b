"""The job that rebuilds the projections: it reads the topics from their beginning."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from hashlib import sha256
from typing import NamedTuple, cast, get_args
from uuid import UUID

import structlog
from sqlalchemy import Table

from analytics import db, handlers
from analytics.db import Generation
from analytics.domain import GenerationState, RebuildCancelled
from analytics.events import OrderEvent, ProductEvent
from chassis.errors import is_unavailable
from chassis.events import ConsumedEvent, RawMessage, Undecodable, decode, read_data
from chassis.jobs import Job, Jobs
from chassis.outbox import Database
from chassis.replaying import OpenReplay, Replay

log = structlog.get_logger("analytics")

MODELS: Mapping[str, type[ConsumedEvent]] = {
    model.event_type: model for model in (*get_args(OrderEvent), *get_args(ProductEvent))
}
TOPIC_OF = {type: model.topic for type, model in MODELS.items()}
TOPICS = sorted(set(TOPIC_OF.values()))
MESSAGES_AT_ONCE = 2_000
"""Maximum number of messages that are joined at once."""
ROWS_AT_ONCE = 5_000
"""Maximum number of rows of a generation that one transaction copies or deletes."""


def jobs(open_log: OpenReplay) -> Jobs:
    """The jobs of this service. `open_log` begins a pass over TOPICS."""
    return {"rebuild": Job(partial(rebuild, open_log), interval=10.0)}


async def rebuild(open_log: OpenReplay, database: Database) -> int:
    """Continue the open rebuild to its end, and delete the rows of the generation that it replaces.

    Returns 1 if there was work, else 0. All progress is in the database, so after a crash any replica can continue.
    """
    if await _work(database) is None:
        return 0
    async with db.rebuild_lock(database) as is_locked:
        # Read again, because another replica may have finished the rebuild before this replica got the lock.
        if not is_locked or (work := await _work(database)) is None:
            return 0
        if work.state is GenerationState.BUILDING:
            try:
                await _build(open_log, database, work)
            except RebuildCancelled:
                log.info("rebuild-cancelled", generation=work.generation)
        await _remove_leftovers(database)
    return 1


async def _build(open_log: OpenReplay, database: Database, work: Generation) -> None:
    async with open_log(work.positions) as topics:
        await _Replay(database, topics, work).run()
        lost = await topics.lost()
    for table in db.FACTS:
        kept = await _carry_over(database, table, work.generation, lost)
        log.info("rebuild-keeps", generation=work.generation, table=table.name, rows=kept, lost=sorted(lost))
    async with database.transaction() as tx:
        await handlers.activate_rebuild(tx, work.generation)
    log.info("rebuild-active", generation=work.generation)


async def _carry_over(database: Database, table: Table, generation: int, lost: Collection[str]) -> int:
    """Copy facts whose events the topics no longer have. Returns the number of rows. After a crash it starts again."""
    after: UUID | str | None = None
    kept = 0
    while True:
        async with database.transaction() as tx:
            carried = await handlers.carry_over(tx, table, generation, lost, after, ROWS_AT_ONCE)
        kept += carried.kept
        if carried.last is None:
            return kept
        after = carried.last


async def _remove_leftovers(database: Database) -> None:
    """Delete the rows that no report reads, `ROWS_AT_ONCE` per transaction. After a crash it starts again.

    It ends when no row is found, because a slow writer may commit rows behind it.
    """
    while await _remove_pass(database):
        pass
    async with database.transaction() as tx:
        await handlers.end_removal(tx)


async def _remove_pass(database: Database) -> bool:
    """Delete all rows that it finds. Returns whether there were any."""
    async with database.reading() as connection:
        generations = await handlers.leftover_generations(connection)
    found = False
    for generation in generations:
        for table in db.LEFTOVERS:
            after: db.Key | None = None
            while True:
                async with database.transaction() as tx:
                    after = await handlers.remove_leftovers(tx, table, generation, after, ROWS_AT_ONCE)
                if after is None:
                    break
                found = True
    return found


async def _work(database: Database) -> Generation | None:
    async with database.reading() as connection:
        return await handlers.rebuild_to_work_on(connection)


class _ReplayedEvent(NamedTuple):
    """An event that was read from a topic, with its identity."""

    identity: db.Identity
    event: OrderEvent | ProductEvent


class _Replay:
    """Reads the topics from the saved positions of an earlier replay, or from their beginning, up to their end.

    The ends are read after the generation was opened. Events that were consumed before the opening lie before the ends.
    The live handlers write later events into this generation. If both write an event, it is joined twice, which changes
    nothing.
    """

    def __init__(self, database: Database, topics: Replay, work: Generation) -> None:
        self.database = database
        self.topics = topics
        self.generation = work.generation
        self.skipped = work.messages_skipped

    async def run(self) -> None:
        """Join all events up to the ends into the generation, batch by batch."""
        while not self.topics.is_finished:
            await self._apply(await self.topics.next(MESSAGES_AT_ONCE))

    async def _apply(self, messages: Sequence[RawMessage]) -> None:
        replayed = [event for message in messages if (event := self._read(message)) is not None]
        events = await self._without_dead_letters(replayed)
        # Products have a transaction of their own. A transaction that locks both tables could deadlock with a live one.
        await self._write([event for event in events if isinstance(event, ProductEvent)])
        await self._write([event for event in events if isinstance(event, OrderEvent)])
        async with self.database.transaction() as tx:
            await handlers.save_progress(
                tx,
                self.generation,
                positions=dict(self.topics.positions),
                read=self.topics.read,
                total=self.topics.total,
                skipped=self.skipped,
            )

    async def _write(self, events: Sequence[OrderEvent | ProductEvent]) -> None:
        """Join events into the generation. If that fails, write each half alone. Skip and count an event that fails."""
        if not events:
            return
        try:
            async with self.database.transaction() as tx:
                await handlers.rebuild_facts(tx, self.generation, events)
        except RebuildCancelled:
            raise
        except Exception as error:
            if is_unavailable(error):
                raise
            if len(events) == 1:
                self._skip(type=events[0].event_type, reason=repr(error))
                return
            half = len(events) // 2
            await self._write(events[:half])
            await self._write(events[half:])

    async def _without_dead_letters(
        self, replayed: Sequence[_ReplayedEvent]
    ) -> list[OrderEvent | ProductEvent]:
        """Skip and count events that are discarded or open dead letters."""
        identities = [identity for identity, _ in replayed]
        async with self.database.reading() as connection:
            skipped = await handlers.skipped_by_rebuild(connection, identities)
        for identity in identities:
            if identity in skipped:
                self._skip(source=identity.source, id=str(identity.id), reason="dead letter")
        return [event for identity, event in replayed if identity not in skipped]

    def _read(self, message: RawMessage) -> _ReplayedEvent | None:
        """Read a message. Skip and count one that the live consumer would store as a dead letter."""
        try:
            event = decode(message)
            if TOPIC_OF[event.type] != message.topic:
                raise Undecodable("wrong-topic", f"{event.type} does not belong on {message.topic}")
            data = read_data(MODELS[event.type], event)
            identity = db.Identity(event.source, event.id, sha256(message.value or b"").digest())
            return _ReplayedEvent(identity, cast(OrderEvent | ProductEvent, data))
        except (Undecodable, KeyError) as error:
            self._skip(topic=message.topic, position=message.position, reason=type(error).__name__)
            return None

    def _skip(self, **why: object) -> None:
        self.skipped += 1
        log.warning("rebuild-skips", generation=self.generation, **why)
