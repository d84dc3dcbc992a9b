"""What can be set from outside, beside what every service has (see `chassis.settings`)."""

from pydantic import Field

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """`ORDERS_DEADLINE_SECONDS`: how long an order may stay PENDING when its customer names no deadline."""

    service_name: str = "orders"
    orders_deadline_seconds: int = Field(default=60, ge=1, le=3600)
