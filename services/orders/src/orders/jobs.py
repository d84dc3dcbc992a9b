"""The job of the orders service. It runs at a fixed interval."""

from chassis.jobs import Job, Jobs
from chassis.outbox import Database
from orders import handlers


async def cancel_overdue_orders(database: Database) -> int:
    """Cancel orders that are PENDING past their deadline. Returns how many."""
    async with database.transaction() as tx:
        return await handlers.cancel_overdue_orders(tx)


JOBS: Jobs = {
    "cancel-overdue-orders": Job(
        cancel_overdue_orders, interval=1.0, full_batch=handlers.MAX_CANCELLED_AT_ONCE
    )
}
