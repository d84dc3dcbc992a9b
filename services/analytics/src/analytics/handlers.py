"""One function per use case. None of them commits.

An event states a fact, and facts join in any order (see domain.py).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from analytics import db
from analytics.db import Carried, Generation
from analytics.domain import GenerationState, RebuildAlreadyEnded, RebuildAlreadyRunning, UnknownRebuild
from analytics.events import OrderEvent, ProductEvent
from chassis.events import Batch
from chassis.outbox import Transaction
from chassis.postgres import Connection


async def project_order_facts(tx: Transaction, events: Batch[OrderEvent]) -> None:
    """Join the facts that events state about orders into the projections. An order may occur several times."""
    await db.record(tx.connection, [event.data.fact() for event in events])


async def project_product_facts(tx: Transaction, events: Batch[ProductEvent]) -> None:
    """Join the facts that events state about products into the projections. A product may occur several times."""
    await db.record(tx.connection, [event.data.fact() for event in events])


async def open_rebuild(tx: Transaction) -> int:
    """Open the next generation and return its number.

    From the commit on, live events are written into it too. Raises RebuildAlreadyRunning.
    """
    generation = await db.open_generation(tx.connection)
    if generation is None:
        raise RebuildAlreadyRunning
    tx.wake("rebuild")
    return generation


async def cancel_rebuild(tx: Transaction, generation: int) -> None:
    """Give a rebuild up: from the commit on nothing is written into it. Without effect if it is CANCELLED already.

    Raises UnknownRebuild, and RebuildAlreadyEnded for a generation that is neither BUILDING nor CANCELLED.
    """
    if await db.cancel(tx.connection, generation):
        tx.wake("rebuild")
        return
    found = await read_rebuild(tx.connection, generation)
    if found.state is not GenerationState.CANCELLED:
        raise RebuildAlreadyEnded(generation, found.state)


async def rebuild_to_work_on(connection: Connection) -> Generation | None:
    """The generation that is BUILDING, or has facts that no report reads; None is the usual answer."""
    return await db.generation_to_work_on(connection)


async def left_out_of_rebuild(
    connection: Connection, events: Sequence[tuple[str, UUID]]
) -> set[tuple[str, UUID]]:
    """Which of these events, each (source, id), were discarded or wait as dead letters for a decision.

    One that is redriven later is written into every generation then.
    """
    return await db.letters_not_redriven(connection, events)


async def rebuild_facts(
    tx: Transaction, generation: int, events: Sequence[OrderEvent | ProductEvent]
) -> None:
    """Join events, read from their topics, into a generation that is being built.

    All of them are about orders, or all about products. Raises RebuildCancelled.
    """
    await db.stay_building(tx.connection, generation)
    await db.record_rebuilt(tx.connection, [event.fact() for event in events], generation)


async def carry_over(
    tx: Transaction, table: Table, generation: int, lost: Collection[str], after: UUID | str | None, most: int
) -> Carried:
    """Keep what the active generation knows and the topics no longer tell, for the next `most` of its rows.

    `lost` are the topics that no longer begin at their first record. Raises RebuildCancelled.
    """
    await db.stay_building(tx.connection, generation)
    return await db.carry_over(tx.connection, table, generation, lost=lost, after=after, most=most)


async def save_progress(
    tx: Transaction, generation: int, *, positions: Mapping[str, int], read: int, total: int, skipped: int
) -> None:
    """Write down how far a rebuild is, with what it has just joined: after a crash it goes on there."""
    await db.save_progress(
        tx.connection, generation, positions=positions, read=read, total=total, skipped=skipped
    )


async def activate_rebuild(tx: Transaction, generation: int) -> None:
    """Switch all reports to a generation that is complete. Raises RebuildCancelled."""
    await db.activate(tx.connection, generation)


async def remove_leftovers(tx: Transaction) -> int:
    """Delete what no report reads any more; returns how many rows."""
    return await db.remove_leftovers(tx.connection)


async def read_rebuild(connection: Connection, generation: int) -> Generation:
    """One generation with its progress. Raises UnknownRebuild."""
    found = await db.generation_numbered(connection, generation)
    if found is None:
        raise UnknownRebuild(generation)
    return found


async def report_orders_by_state(connection: Connection) -> list[dict[str, Any]]:
    """How many orders are in each state."""
    return await db.orders_by_state(connection)


async def report_revenue(connection: Connection) -> list[dict[str, Any]]:
    """What confirmed orders brought and what was refunded, by currency."""
    return await db.revenue(connection)


async def report_top_products(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The products most sold in confirmed orders."""
    return await db.top_products(connection, limit)


async def report_time_to_confirm(connection: Connection) -> dict[str, Any]:
    """How long customers waited for the confirmation, in seconds."""
    return await db.time_to_confirm(connection)


async def report_funnel(connection: Connection) -> dict[str, int]:
    """How far orders came."""
    return await db.funnel(connection)
