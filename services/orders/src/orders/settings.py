"""The settings of the orders service, in addition to those of every service (see `chassis.settings`)."""

from pydantic import Field

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """`ORDERS_DEADLINE_SECONDS`: seconds until the deadline of an order whose request has no `deadline_seconds`.

    `ORDERS_MAX_PENDING`: the number of PENDING orders at which new orders are refused with 429.

    `ORDERS_MAX_PENDING_PER_CUSTOMER`: the number of PENDING orders of one customer at which new orders of this
    customer are refused with 429.
    """

    service_name: str = "orders"
    orders_deadline_seconds: int = Field(default=60, ge=1, le=3600)
    orders_max_pending: int = Field(default=5_000, ge=1)
    orders_max_pending_per_customer: int = Field(default=100, ge=1)
