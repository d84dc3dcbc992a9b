"""The settings of payments, besides those of every service (see `chassis.settings`)."""

from typing import Self

from pydantic import Field, model_validator

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """Address, deadlines and pauses of the calls of the card processor. Times are in seconds."""

    service_name: str = "payments"
    processor_url: str = Field(
        default="http://127.0.0.1:18010", description="root of the card processor's API"
    )
    processor_timeout_seconds: float = Field(default=5, gt=0, description="how long one answer is waited for")
    payments_concurrency: int = Field(
        default=64, ge=1, description="most requests to the processor at once, per process and job"
    )
    payments_lease_seconds: float = Field(
        default=10, gt=0, description="after this, work of a process that died is taken over"
    )
    payments_forget_seconds: float = Field(
        default=3600,
        ge=0,
        description="how long after its order's deadline an uncharged payment keeps its card token",
    )

    @model_validator(mode="after")
    def _a_lease_outlives_a_request(self) -> Self:
        if self.payments_lease_seconds <= self.processor_timeout_seconds:
            raise ValueError("PAYMENTS_LEASE_SECONDS must be longer than PROCESSOR_TIMEOUT_SECONDS")
        return self
