"""The events of other services that inventory handles."""

from chassis.inbox import Subscriptions
from inventory import handlers
from inventory.events import OrderCancelled, OrderConfirmed, OrderPlaced, OrderRejected

SUBSCRIPTIONS = Subscriptions(
    {
        OrderPlaced: handlers.reserve_stock,
        OrderConfirmed: handlers.commit_stock,
        OrderRejected: handlers.release_stock_of_rejected,
        OrderCancelled: handlers.release_stock_of_cancelled,
    },
    # No customer waits until stock is sold or released.
    deferrable=(OrderConfirmed, OrderRejected, OrderCancelled),
)
