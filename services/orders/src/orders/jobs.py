"""The job of the orders service, which runs at a fixed interval. If the saga is one transaction, it has no work."""

from collections.abc import Sequence
from uuid import UUID

from chassis.jobs import Job, Jobs
from chassis.outbox import Database, OutboxRow
from chassis.postgres import Connection
from orders import db, handlers
from orders.domain import OrderState
from orders.events import OrderPlaced


async def cancel_overdue_orders(database: Database) -> int:
    """Cancel orders that are PENDING past their deadline. Returns how many."""
    async with database.transaction() as tx:
        return await handlers.cancel_overdue_orders(tx)


async def has_placed_pending_orders(connection: Connection, published: Sequence[OutboxRow]) -> bool:
    """Whether an order that this transaction has placed is PENDING. It is asked if the saga is one transaction."""
    placed = [UUID(row.key) for row in published if row.type == OrderPlaced.event_type]
    found = [await db.order_of(connection, order_id) for order_id in placed]
    return any(order is not None and order.state == OrderState.PENDING for order in found)


JOBS: Jobs = {
    "cancel-overdue-orders": Job(
        cancel_overdue_orders, interval=1.0, full_batch=handlers.MAX_CANCELLED_AT_ONCE
    )
}
