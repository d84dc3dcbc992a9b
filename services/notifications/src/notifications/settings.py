"""The settings of the notifications service, in addition to those of every service (see `chassis.settings`)."""

from email.errors import MessageError, NonASCIILocalPartDefect
from email.headerregistry import Address
from email.policy import default
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from chassis.settings import ServiceSettings

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
    notifications_address_template: str = "{customer_id}@customers.example"
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

    @field_validator("notifications_address_template")
    @classmethod
    def _check_address_template(cls, template: str) -> str:
        message = "NOTIFICATIONS_ADDRESS_TEMPLATE must be an address with {customer_id} in it"
        try:
            address_of(template, "c-ada")
        except ADDRESS_ERRORS:
            raise ValueError(message) from None
        if "{customer_id}" not in template:
            raise ValueError(message)
        return template

    @field_validator("notifications_sender")
    @classmethod
    def _check_sender(cls, sender: str) -> str:
        if not _names_one_address(sender):
            raise ValueError(
                "NOTIFICATIONS_SENDER must look like orders@shop.example or Shop <orders@shop.example>"
            )
        return sender


def address_of(template: str, customer_id: str) -> Address:
    """The address of a customer. Raises one of ADDRESS_ERRORS if the text is not an address.

    The text must be the address as it is, because a parser drops quotes and comments: `ada(2)` would be read as `ada`,
    who is another customer.
    """
    text = template.replace("{customer_id}", customer_id)
    address = Address(addr_spec=text)
    if address.addr_spec != text or not address.domain:
        raise ValueError("not an address")
    text.encode()  # raises for a surrogate
    return address


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
