"""The events of other services that the analytics service handles. Their facts are joined in any order."""

from typing import get_args

from analytics import handlers
from analytics.events import OrderEvent, ProductEvent
from chassis.inbox import Subscriptions, WholeBatch

SUBSCRIPTIONS = Subscriptions(
    {
        **dict.fromkeys(get_args(OrderEvent), WholeBatch(handlers.project_order_facts)),
        **dict.fromkeys(get_args(ProductEvent), WholeBatch(handlers.project_product_facts)),
    }
)
