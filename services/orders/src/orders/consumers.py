"""What orders reacts to, what it knowingly skips, and what it does by itself."""

from collections.abc import Mapping

from chassis.database import Database
from chassis.inbox import Handler
from chassis.jobs import Job
from orders import handlers

SUBSCRIPTIONS: Mapping[str, Handler] = {
    "inventory.product-listed.v1": handlers.list_product,
    "inventory.product-priced.v1": handlers.update_price,
    "inventory.stock-rejected.v1": handlers.reject_unstocked_order,
    "payments.payment-captured.v1": handlers.confirm_order,
    "payments.payment-declined.v1": handlers.reject_unpaid_order,
}

# On the same topics, but nothing to an order: anything else there is unknown, and dead-lettered.
IGNORED = (
    "inventory.stock-reserved.v1",
    "inventory.stock-committed.v1",
    "inventory.stock-released.v1",
    "payments.payment-refunded.v1",
)


async def expire(database: Database) -> int:
    """One sweep of the durable deadline, in a transaction of its own."""
    async with database.transaction() as tx:
        return await handlers.cancel_overdue_orders(tx)


JOBS: Mapping[str, Job] = {"expire": Job(expire, every=1.0, full=handlers.SWEEP_LIMIT)}
