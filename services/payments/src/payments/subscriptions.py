"""The events of other services that the payments service handles or ignores."""

from chassis.inbox import Subscriptions
from payments import handlers
from payments.events import OrderCancelled, OrderPlaced, StockReserved

SUBSCRIPTIONS = Subscriptions(
    {
        OrderPlaced: handlers.open_payment,
        StockReserved: handlers.note_stock_reserved,
        OrderCancelled: handlers.cancel_payment,
    },
    # A charge needs both events. StockReserved is urgent, and its batch takes waiting OrderPlaced events along. So it
    # costs no time to defer OrderPlaced.
    deferrable=(OrderPlaced,),
    # These events change no payment. Any other type on these topics is unknown, and becomes a dead letter.
    ignored={
        "orders.order.v1": ("orders.order-confirmed.v1", "orders.order-rejected.v1"),
        "inventory.reservation.v1": (
            "inventory.stock-rejected.v1",
            "inventory.stock-committed.v1",
            "inventory.stock-released.v1",
        ),
    },
)
