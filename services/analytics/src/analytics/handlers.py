"""One function per use case. None of them commits.

An event states a fact, and facts join in any order (see domain.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table

from analytics import db
from analytics.db import Generation
from analytics.domain import Fact, GenerationState, RebuildAlreadyRunning, UnknownRebuild, join_by
from analytics.events import OrderEvent, ProductEvent
from chassis.events import Batch
from chassis.outbox import Transaction
from chassis.postgres import Connection


async def project_order_facts(tx: Transaction, events: Batch[OrderEvent]) -> None:
    """Join what events say about orders into the projections. An order may occur several times."""
    await db.join_order_facts(tx.connection, [event.data.fact() for event in events])


async def project_product_facts(tx: Transaction, events: Batch[ProductEvent]) -> None:
    """Join what events say about products into the projections. A product may occur several times."""
    await db.join_product_facts(tx.connection, [event.data.fact() for event in events])


async def open_rebuild(tx: Transaction) -> int:
    """Open the next generation and return its number.

    From the commit on, live events are written into it too. Raises RebuildAlreadyRunning.
    """
    generation = await db.open_generation(tx.connection)
    if generation is None:
        raise RebuildAlreadyRunning
    tx.wake("rebuild")
    return generation


async def rebuild_to_work_on(connection: Connection) -> Generation | None:
    """The generation that is BUILDING, or was RETIRED and not yet removed; None is the usual answer."""
    return await db.generation_in(connection, GenerationState.BUILDING, GenerationState.RETIRED)


async def rebuild_products(tx: Transaction, generation: int, events: Sequence[ProductEvent]) -> None:
    """Join product events, read from the topic, into a generation that is being built."""
    await _rebuild(tx, generation, db.product_facts, join_by("sku", [event.fact() for event in events]))


async def rebuild_orders(tx: Transaction, generation: int, events: Sequence[OrderEvent]) -> None:
    """Join events about orders, read from their topics, into a generation that is being built."""
    await _rebuild(tx, generation, db.order_facts, join_by("order_id", [event.fact() for event in events]))


async def _rebuild(tx: Transaction, generation: int, table: Table, facts: Sequence[Fact]) -> None:
    # A live transaction makes several statements over these rows. Waiting for all of them first, while
    # holding nothing that they could want, is what keeps the two from deadlocking.
    await db.lock_writers_out(tx.connection, table)
    await db.upsert(tx.connection, table, facts, generation)


async def save_progress(
    tx: Transaction, generation: int, *, positions: Mapping[str, int], read: int, total: int, skipped: int
) -> None:
    """Write down how far a rebuild is, with what it has just joined: after a crash it goes on there."""
    await db.save_progress(
        tx.connection, generation, positions=positions, read=read, total=total, skipped=skipped
    )


async def activate_rebuild(tx: Transaction, generation: int) -> None:
    """Switch all reports to a generation that is complete."""
    await db.activate(tx.connection, generation)


async def remove_retired(tx: Transaction) -> int:
    """Delete what no report reads any more; returns how many rows."""
    return await db.remove_retired(tx.connection)


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
