"""Open, build, activate, cancel and remove a generation of the projections."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from analytics.domain import GenerationState, RebuildCancelled
from chassis.outbox import Database
from chassis.postgres import Connection, Row


@dataclass(frozen=True, slots=True)
class Generation:
    """One build of the projections.

    `positions` maps "topic/partition" to the next offset to read. `messages_…` are numbers of messages.
    """

    generation: int
    state: GenerationState
    opened_at: datetime
    activated_at: datetime | None
    positions: Mapping[str, int]
    messages_read: int
    messages_total: int | None
    messages_skipped: int

    @property
    def progress(self) -> float:
        """The part of the messages that were read, from 0 to 1. It is 1 for a rebuild that was not cancelled and has
        ended.
        """
        if self.state not in (GenerationState.BUILDING, GenerationState.CANCELLED):
            return 1.0
        return min(1.0, self.messages_read / self.messages_total) if self.messages_total else 0.0


# Not `*`: a release that adds a column must not break the previous one.
_COLUMNS = (
    "g.generation, g.state, g.opened_at, g.activated_at, g.positions, g.messages_read, g.messages_total,"
    " g.messages_skipped"
)


async def open_generation(connection: Connection) -> int | None:
    """Open the next generation as BUILDING and return its number, or None if a generation is BUILDING already."""
    found: int | None = await connection.value(
        text(
            """
            INSERT INTO projection_state (generation, state)
            SELECT max(generation) + 1, 'BUILDING' FROM projection_state
            ON CONFLICT DO NOTHING
            RETURNING generation
            """
        )
    )
    return found


async def generation_to_work_on(connection: Connection) -> Generation | None:
    """The newest generation that is BUILDING, or that has rows to delete. Usually None.

    A CANCELLED generation is checked again and again: a live transaction that began before the cancellation may write
    rows into it after its rows were deleted.
    """
    return await _generation(
        connection,
        """
        g.state IN ('BUILDING', 'RETIRED')
        OR g.state = 'CANCELLED' AND (
            EXISTS (SELECT FROM order_facts AS f WHERE f.generation = g.generation)
            OR EXISTS (SELECT FROM product_facts AS f WHERE f.generation = g.generation)
        )
        """,
    )


async def generation_numbered(connection: Connection, number: int) -> Generation | None:
    """The generation with this number."""
    return await _generation(connection, "g.generation = :number", number=number)


async def newest_generations(connection: Connection, limit: int) -> list[Generation]:
    """At most `limit` generations, the newest first."""
    query = text(f"SELECT {_COLUMNS} FROM projection_state AS g ORDER BY g.generation DESC LIMIT :limit")
    return [_read(row) for row in await connection.rows(query, {"limit": limit})]


async def _generation(connection: Connection, condition: str, **values: object) -> Generation | None:
    row = await connection.row(
        text(
            f"""
            SELECT {_COLUMNS} FROM projection_state AS g WHERE {condition}
            ORDER BY g.generation DESC LIMIT 1
            """
        ),
        values,
    )
    return None if row is None else _read(row)


def _read(row: Row) -> Generation:
    return Generation(**{**row, "state": GenerationState(row["state"])})


async def lock_building_generation(connection: Connection, generation: int) -> None:
    """Lock a BUILDING generation until this transaction ends. Raises RebuildCancelled if it is not BUILDING."""
    query = "SELECT generation FROM projection_state WHERE generation = :it AND state = 'BUILDING' FOR UPDATE"
    if await connection.row(text(query), {"it": generation}) is None:
        raise RebuildCancelled


async def save_progress(
    connection: Connection,
    generation: int,
    *,
    positions: Mapping[str, int],
    read: int,
    total: int,
    skipped: int,
) -> None:
    """Save a rebuild's positions and counts. The counts are totals, not increments.

    Raises RebuildCancelled if the generation is not BUILDING.
    """
    saved = await connection.row(
        text(
            """
            UPDATE projection_state
            SET positions = CAST(:positions AS jsonb), messages_read = :read, messages_total = :total,
                messages_skipped = :skipped
            WHERE generation = :generation AND state = 'BUILDING'
            RETURNING generation
            """
        ),
        {
            "generation": generation,
            "positions": json.dumps(positions),
            "read": read,
            "total": total,
            "skipped": skipped,
        },
    )
    if saved is None:
        raise RebuildCancelled


async def activate(connection: Connection, generation: int) -> None:
    """Make a BUILDING generation ACTIVE. Raises RebuildCancelled if it is not BUILDING.

    The previous ACTIVE generation becomes RETIRED first, so that there are never two.
    """
    await lock_building_generation(connection, generation)
    await connection.execute(text("UPDATE projection_state SET state = 'RETIRED' WHERE state = 'ACTIVE'"))
    await connection.execute(
        text(
            """
            UPDATE projection_state SET state = 'ACTIVE', activated_at = now()
            WHERE generation = :generation
            """
        ),
        {"generation": generation},
    )


async def cancel(connection: Connection, generation: int) -> bool:
    """Make a BUILDING generation CANCELLED. Returns whether it was BUILDING."""
    query = """
        UPDATE projection_state SET state = 'CANCELLED'
        WHERE generation = :it AND state = 'BUILDING'
        RETURNING generation
    """
    return await connection.row(text(query), {"it": generation}) is not None


@asynccontextmanager
async def rebuild_lock(database: Database) -> AsyncIterator[bool]:
    """Try to acquire the lock for rebuilds. Yields True if this process got it.

    The lock belongs to a connection, so PostgreSQL releases it at once when the process is killed.
    """
    async with database.reading() as connection:
        lock = "hashtext('analytics.rebuild')"
        is_locked = bool(await connection.value(text(f"SELECT pg_try_advisory_lock({lock})")))
        try:
            yield is_locked
        finally:
            if is_locked:
                await connection.execute(text(f"SELECT pg_advisory_unlock({lock})"))
