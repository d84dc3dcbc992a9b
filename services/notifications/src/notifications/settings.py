"""The settings of the notifications service, in addition to those of every service (see `chassis.settings`)."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    # The error for a wrong SMTP_URL does not contain its password.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    service_name: str = "notifications"
    linger_seconds: float = 1.0
    smtp_url: SecretStr | None = Field(
        None,
        description="smtp://user:password@host:port or smtps://…; if it is unset, messages go to the log",
    )
    notifications_address_template: str = "{customer_id}@customers.example"
    notifications_sender: str = "Shopfloor <orders@shopfloor.example>"

    @field_validator("smtp_url")
    @classmethod
    def _check_smtp_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None or not url.get_secret_value():
            return None
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
            raise ValueError(
                "SMTP_URL must look like smtp://user:password@host:port or smtps://user:password@host:port"
            )
        return url

    @field_validator("notifications_address_template")
    @classmethod
    def _check_address_template(cls, template: str) -> str:
        if "{customer_id}" not in template or "@" not in template:
            raise ValueError("NOTIFICATIONS_ADDRESS_TEMPLATE must be an address with {customer_id} in it")
        return template
