"""What can be set from outside, beside what every service has (see `chassis.settings`)."""

from pydantic import Field

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """`ORDERS_DEADLINE_SECONDS`: how long an order may stay PENDING when its customer names no deadline.

    `ORDERS_MAX_PENDING`: with so many PENDING, new ones are refused with 429 until some have ended.
    """

    service_name: str = "orders"
    orders_deadline_seconds: int = Field(default=60, ge=1, le=3600)
    orders_max_pending: int = Field(default=5_000, ge=1)
