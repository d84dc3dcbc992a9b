"""The use cases of the analytics service, one function each. They never commit.

An event sets some columns of a row. These columns and their values are a *fact*. Facts are joined in any order (see
domain.py).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from analytics import db
from analytics.db import Carried, Generation, Identity, Key
from analytics.domain import GenerationState, RebuildAlreadyEnded, RebuildAlreadyRunning, UnknownRebuild
from analytics.events import OrderEvent, ProductEvent
from chassis.events import Batch
from chassis.outbox import Transaction
from chassis.postgres import Connection


async def project_order_facts(tx: Transaction, events: Batch[OrderEvent]) -> None:
    """Join the facts of events about orders into the projections. An order may occur several times."""
    await db.record(tx.connection, [event.data.fact() for event in events])


async def project_product_facts(tx: Transaction, events: Batch[ProductEvent]) -> None:
    """Join the facts of events about products into the projections. A product may occur several times."""
    await db.record(tx.connection, [event.data.fact() for event in events])


async def open_rebuild(tx: Transaction) -> int:
    """Open the next generation and return its number.

    After the commit, live events are written into it too. Raises RebuildAlreadyRunning.
    """
    generation = await db.open_generation(tx.connection)
    if generation is None:
        raise RebuildAlreadyRunning
    tx.wake("rebuild")
    return generation


async def cancel_rebuild(tx: Transaction, generation: int) -> None:
    """Cancel a rebuild: after the commit nothing is written into its generation. A second call changes nothing.

    Raises UnknownRebuild, and RebuildAlreadyEnded for a generation that is neither BUILDING nor CANCELLED.
    """
    if await db.cancel(tx.connection, generation):
        tx.wake("rebuild")
        return
    found = await read_rebuild(tx.connection, generation)
    if found.state is not GenerationState.CANCELLED:
        raise RebuildAlreadyEnded(generation, found.state)


async def rebuild_to_work_on(connection: Connection) -> Generation | None:
    """The generation that is BUILDING, or that has rows to delete. Usually None."""
    return await db.generation_to_work_on(connection)


async def skipped_by_rebuild(connection: Connection, events: Sequence[Identity]) -> set[Identity]:
    """The events that a rebuild skips: dead letters that are open or discarded.

    If an open dead letter is redriven later, its event is written into every BUILDING and ACTIVE generation.
    """
    return await db.dead_letters_not_redriven(connection, events)


async def rebuild_facts(
    tx: Transaction, generation: int, events: Sequence[OrderEvent | ProductEvent]
) -> None:
    """Join events that were read from the topics into a BUILDING generation.

    All events are about orders, or all are about products. Raises RebuildCancelled.
    """
    await db.lock_building_generation(tx.connection, generation)
    await db.record_rebuilt(tx.connection, [event.fact() for event in events], generation)


async def carry_over(
    tx: Transaction,
    table: Table,
    generation: int,
    lost: Collection[str],
    after: UUID | str | None,
    limit: int,
) -> Carried:
    """Copy facts whose events are no longer in the topics, from the ACTIVE generation into the generation `generation`.

    Reads the next `limit` rows of `table` in the ACTIVE generation, those after the key `after` (None: from the start).
    `lost` are the topics whose first records were deleted. Raises RebuildCancelled.
    """
    await db.lock_building_generation(tx.connection, generation)
    return await db.carry_over(tx.connection, table, generation, lost=lost, after=after, limit=limit)


async def save_progress(
    tx: Transaction, generation: int, *, positions: Mapping[str, int], read: int, total: int, skipped: int
) -> None:
    """Save a rebuild's progress, after its events were joined. After a crash the rebuild continues from there.

    Raises RebuildCancelled.
    """
    await db.save_progress(
        tx.connection, generation, positions=positions, read=read, total=total, skipped=skipped
    )


async def activate_rebuild(tx: Transaction, generation: int) -> None:
    """Switch all reports to a complete generation. Raises RebuildCancelled."""
    await db.activate(tx.connection, generation)


async def leftover_generations(connection: Connection) -> list[int]:
    """The generations that no report reads. They may have rows."""
    return await db.leftover_generations(connection)


async def remove_leftovers(
    tx: Transaction, table: Table, generation: int, after: Key | None, limit: int
) -> Key | None:
    """Delete the next `limit` rows of a generation after the key `after`. Returns the last key; None without a row."""
    return await db.remove_leftovers(tx.connection, table, generation, after, limit)


async def end_removal(tx: Transaction) -> None:
    """Make RETIRED generations, whose rows are deleted, REMOVED."""
    await db.end_removal(tx.connection)


async def read_rebuild(connection: Connection, generation: int) -> Generation:
    """One generation with its progress. Raises UnknownRebuild."""
    found = await db.generation_numbered(connection, generation)
    if found is None:
        raise UnknownRebuild(generation)
    return found


async def list_rebuilds(connection: Connection, limit: int) -> list[Generation]:
    """At most `limit` generations with their progress, the newest first."""
    return await db.newest_generations(connection, limit)


async def report_orders_by_state(connection: Connection) -> list[dict[str, Any]]:
    """The number of orders in each state."""
    return await db.orders_by_state(connection)


async def report_revenue(connection: Connection) -> list[dict[str, Any]]:
    """The revenue of confirmed orders and the refunds, by currency."""
    return await db.revenue(connection)


async def report_top_products(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The best-selling products of confirmed orders."""
    return await db.top_products(connection, limit)


async def report_time_to_confirm(connection: Connection) -> dict[str, Any]:
    """Percentiles of the time from placing to confirmation, in seconds."""
    return await db.time_to_confirm(connection)


async def report_funnel(connection: Connection) -> dict[str, int]:
    """The number of orders that reached each step."""
    return await db.funnel(connection)
