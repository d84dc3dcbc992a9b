"""The events of other services that the notifications service handles or ignores."""

from chassis.inbox import Subscriptions
from notifications import handlers
from notifications.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderRejected,
    PaymentRefunded,
    PaymentRefundedV2,
)

SUBSCRIPTIONS = Subscriptions(
    {
        OrderConfirmed: handlers.announce_confirmation,
        OrderRejected: handlers.announce_rejection,
        OrderCancelled: handlers.announce_cancellation,
        PaymentRefunded: handlers.announce_refund,
        PaymentRefundedV2: handlers.announce_refund_with_reason,
    },
    # The customer gets a message about the outcome of an order and not about each step.
    ignored={
        "orders.order.v1": ("orders.order-placed.v1",),
        "payments.payment.v1": ("payments.payment-captured.v1", "payments.payment-declined.v1"),
    },
)
