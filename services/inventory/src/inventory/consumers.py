"""What inventory does about the events of others: event type → use case."""

from chassis.inbox import Handler
from inventory import handlers

SUBSCRIPTIONS: dict[str, Handler] = {
    "orders.order-placed.v1": handlers.reserve_stock,
    "orders.order-confirmed.v1": handlers.commit_stock,
    "orders.order-rejected.v1": handlers.release_stock_of_rejected,
    "orders.order-cancelled.v1": handlers.release_stock_of_cancelled,
}

# Every event type on orders.order.v1 is handled above.
IGNORED: tuple[str, ...] = ()
