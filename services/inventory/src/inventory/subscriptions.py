"""The events of other services that inventory handles."""

from chassis.inbox import Subscriptions
from inventory import handlers
from inventory.domain import IllegalTransition, UnknownReservation
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
    # All events of an order are on one topic, in order. A confirmation without a reservation stays wrong.
    not_retried=(UnknownReservation, IllegalTransition),
)
