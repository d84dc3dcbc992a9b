"""The settings of the notifications service, in addition to those of every service (see `chassis.settings`)."""

from email.errors import MessageError, NonASCIILocalPartDefect
from email.policy import default
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings, is_http_url

ADDRESS_ERRORS = (MessageError, ValueError, IndexError)
"""Errors of the library for a text that is no address. A UnicodeError is a ValueError."""


class Settings(ServiceSettings):
    # The error for a wrong SMTP_URL does not contain its password.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    service_name: str = "notifications"
    linger_seconds: float = 1.0
    smtp_url: SecretStr | None = Field(
        None,
        description="smtp://user:password@host:port or smtps://…; if it is unset, messages go to the log",
    )
    directory_url: str = Field("", description="base of the SCIM API of the customers' directory")
    directory_client_id: str = "notifications"
    directory_client_secret: SecretStr = Field(
        SecretStr(""), description="of the client whose tokens may read addresses and nothing else"
    )
    directory_audience: str = Field("directory", description="audience of these tokens")
    directory_timeout_seconds: float = Field(3, gt=0, description="time limit of reading one address")
    notifications_sender: str = "Shopfloor <orders@shopfloor.example>"

    @field_validator("smtp_url")
    @classmethod
    def _check_smtp_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None or not url.get_secret_value():
            return None
        if not _is_smtp_url(url.get_secret_value()):
            raise ValueError(
                "SMTP_URL must look like smtp://user:password@host:port or smtps://user:password@host:port,"
                " with %2F, %3F and %23 for /, ? and # in the password"
            )
        return url

    @field_validator("directory_url")
    @classmethod
    def _check_directory_url(cls, url: str) -> str:
        if url and not is_http_url(url):
            raise ValueError("DIRECTORY_URL must look like https://issuer.example/scim/v2")
        return url

    @field_validator("notifications_sender")
    @classmethod
    def _check_sender(cls, sender: str) -> str:
        if not _names_one_address(sender):
            raise ValueError(
                "NOTIFICATIONS_SENDER must look like orders@shop.example or Shop <orders@shop.example>"
            )
        return sender

    @model_validator(mode="after")
    def _mail_needs_addresses(self) -> Self:
        sends = self.smtp_url is not None and self.role != "api"
        if sends and not (self.directory_url and self.directory_client_secret):
            raise ValueError(
                "SMTP_URL needs DIRECTORY_URL and DIRECTORY_CLIENT_SECRET: the directory has the addresses"
            )
        return self


def _names_one_address(text: str) -> bool:
    try:
        header = default.header_factory("From", text)
        text.encode()
    except ADDRESS_ERRORS:
        return False
    # A mail server that offers SMTPUTF8 accepts characters that are not ASCII.
    wrong = [defect for defect in header.defects if not isinstance(defect, NonASCIILocalPartDefect)]
    return len(header.addresses) == 1 and not wrong and len(text.splitlines()) == 1


def _is_smtp_url(url: str) -> bool:
    """Whether this is the URL of a mail server and nothing else.

    A password with `/`, `?` or `#` in it would otherwise be read as port and path.
    """
    try:
        parts = urlsplit(url)
        has_server = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return has_server and parts.path in ("", "/") and not parts.query and not parts.fragment
