"""What notifications does about the events of other services."""

from chassis.inbox import Subscriptions
from notifications import handlers
from notifications.events import OrderCancelled, OrderConfirmed, OrderRejected, PaymentRefunded

SUBSCRIPTIONS = Subscriptions(
    {
        OrderConfirmed: handlers.announce_confirmation,
        OrderRejected: handlers.announce_rejection,
        OrderCancelled: handlers.announce_cancellation,
        PaymentRefunded: handlers.announce_refund,
    },
    # A customer hears of an order's outcome, not of each step.
    ignored=("orders.order-placed.v1", "payments.payment-captured.v1", "payments.payment-declined.v1"),
)
