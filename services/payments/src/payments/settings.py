"""The settings of the payments service, in addition to those of every service (see `chassis.settings`)."""

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """Settings of the calls of the card processor, and the time until a payment is voided. Times are in seconds."""

    service_name: str = "payments"
    processor_url: str = Field(
        default="http://127.0.0.1:18010", description="root of the card processor's API"
    )
    processor_api_key: SecretStr = Field(
        SecretStr(""),
        description="the merchant's key at the card processor, which a process that calls it needs",
    )
    processor_timeout_seconds: float = Field(default=5, gt=0, description="time limit of one call")
    payments_concurrency: int = Field(
        default=64, ge=1, description="maximum number of concurrent calls, per process and job"
    )
    payments_lease_seconds: float = Field(
        default=10, gt=0, description="time after which another process may claim a claimed payment or refund"
    )
    payments_forget_seconds: float = Field(
        default=3600,
        ge=0,
        description="time after the order's deadline at which a payment without reserved stock is voided",
    )

    @field_validator("processor_api_key")
    @classmethod
    def _is_a_key(cls, key: SecretStr) -> SecretStr:
        text = key.get_secret_value()
        if text and (not text.isascii() or not text.isprintable() or " " in text):
            raise ValueError("PROCESSOR_API_KEY must be one word of ASCII characters")
        return key

    @model_validator(mode="after")
    def _charging_needs_a_key(self) -> Self:
        if self.role != "api" and not self.processor_api_key:
            raise ValueError(
                "PROCESSOR_API_KEY is not set: without it the card processor refuses each charge"
            )
        return self

    @model_validator(mode="after")
    def _a_lease_outlives_a_request(self) -> Self:
        if self.payments_lease_seconds <= self.processor_timeout_seconds:
            raise ValueError("PAYMENTS_LEASE_SECONDS must be longer than PROCESSOR_TIMEOUT_SECONDS")
        return self
