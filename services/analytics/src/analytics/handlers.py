"""One function per use case. None of them commits.

The projecting ones are alike on purpose: an event states a fact, and facts join in any order (see domain.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table

from analytics import db
from analytics.db import Generation
from analytics.domain import Fact, GenerationState, RebuildAlreadyRunning, UnknownRebuild, join_by
from analytics.events import (
    NotificationSent,
    OrderCancelled,
    OrderConfirmed,
    OrderEvent,
    OrderPlaced,
    OrderRejected,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    ProductEvent,
    ProductListed,
    ProductPriced,
    StockCommitted,
    StockRejected,
    StockReleased,
    StockReserved,
)
from chassis.connection import Connection
from chassis.database import Transaction
from chassis.envelope import Batch


async def project_order_placed(tx: Transaction, events: Batch[OrderPlaced]) -> None:
    await _project_orders(tx, events)


async def project_order_confirmed(tx: Transaction, events: Batch[OrderConfirmed]) -> None:
    await _project_orders(tx, events)


async def project_order_rejected(tx: Transaction, events: Batch[OrderRejected]) -> None:
    await _project_orders(tx, events)


async def project_order_cancelled(tx: Transaction, events: Batch[OrderCancelled]) -> None:
    await _project_orders(tx, events)


async def project_stock_reserved(tx: Transaction, events: Batch[StockReserved]) -> None:
    await _project_orders(tx, events)


async def project_stock_rejected(tx: Transaction, events: Batch[StockRejected]) -> None:
    await _project_orders(tx, events)


async def project_stock_committed(tx: Transaction, events: Batch[StockCommitted]) -> None:
    await _project_orders(tx, events)


async def project_stock_released(tx: Transaction, events: Batch[StockReleased]) -> None:
    await _project_orders(tx, events)


async def project_payment_captured(tx: Transaction, events: Batch[PaymentCaptured]) -> None:
    await _project_orders(tx, events)


async def project_payment_declined(tx: Transaction, events: Batch[PaymentDeclined]) -> None:
    await _project_orders(tx, events)


async def project_payment_refunded(tx: Transaction, events: Batch[PaymentRefunded]) -> None:
    await _project_orders(tx, events)


async def project_notification_sent(tx: Transaction, events: Batch[NotificationSent]) -> None:
    await _project_orders(tx, events)


async def project_product_listed(tx: Transaction, events: Batch[ProductListed]) -> None:
    await _project_products(tx, events)


async def project_product_priced(tx: Transaction, events: Batch[ProductPriced]) -> None:
    await _project_products(tx, events)


async def _project_orders(tx: Transaction, events: Batch[Any]) -> None:
    tx.collect(db.join_order_facts, [event.data.fact() for event in events])


async def _project_products(tx: Transaction, events: Batch[Any]) -> None:
    tx.collect(db.join_product_facts, [event.data.fact() for event in events])


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
