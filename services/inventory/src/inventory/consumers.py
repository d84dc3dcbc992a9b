"""What inventory does about the events of others: event type → use case."""

from chassis.inbox import Handler
from inventory import handlers

SUBSCRIPTIONS: dict[str, Handler] = {
    "orders.order-placed.v1": handlers.reserve_stock,
    "orders.order-confirmed.v1": handlers.commit_stock,
    "orders.order-rejected.v1": handlers.release_stock_of_rejected,
    "orders.order-cancelled.v1": handlers.release_stock_of_cancelled,
}

# Nobody waits for stock to be sold or given back: it is done with the next order that wants some.
PATIENT = ("orders.order-confirmed.v1", "orders.order-rejected.v1", "orders.order-cancelled.v1")

# Every event type on orders.order.v1 is handled above.
IGNORED: tuple[str, ...] = ()
