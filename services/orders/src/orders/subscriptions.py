"""The events of other services that the orders service handles or ignores."""

from chassis.inbox import Subscriptions
from orders import handlers
from orders.domain import CaptureMismatch
from orders.events import PaymentCaptured, PaymentDeclined, ProductListed, ProductPriced, StockRejected

SUBSCRIPTIONS = Subscriptions(
    {
        ProductListed: handlers.add_listed_product,
        ProductPriced: handlers.update_price,
        StockRejected: handlers.reject_unstocked_order,
        PaymentCaptured: handlers.confirm_order,
        PaymentDeclined: handlers.reject_unpaid_order,
    },
    # These events change no order. Any other type on these topics is unknown, and becomes a dead letter.
    ignored={
        "inventory.reservation.v1": (
            "inventory.stock-reserved.v1",
            "inventory.stock-committed.v1",
            "inventory.stock-released.v1",
        ),
        "payments.payment.v1": ("payments.payment-refunded.v1", "payments.payment-refunded.v2"),
    },
    # The amount of a captured payment never changes.
    not_retried=(CaptureMismatch,),
)
