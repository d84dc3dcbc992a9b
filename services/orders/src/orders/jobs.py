"""The job of the orders service, which runs at a fixed interval. If the saga is one transaction, it has no work."""

from chassis.jobs import Job, Jobs
from chassis.outbox import Database
from chassis.postgres import Connection
from orders import db, handlers


async def cancel_overdue_orders(database: Database) -> int:
    """Cancel orders that are PENDING past their deadline. Returns how many."""
    async with database.transaction() as tx:
        return await handlers.cancel_overdue_orders(tx)


async def has_pending_orders(connection: Connection) -> bool:
    """Whether an order has not ended, at the end of a saga that is one transaction. Other sagas commit none."""
    return await db.pending_orders(connection, limit=1) > 0


JOBS: Jobs = {
    "cancel-overdue-orders": Job(
        cancel_overdue_orders, interval=1.0, full_batch=handlers.MAX_CANCELLED_AT_ONCE
    )
}
