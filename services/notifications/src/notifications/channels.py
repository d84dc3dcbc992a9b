"""Channels to the customer: the log, or e-mail. One more module, because e-mail is an outside system (0002).

A channel is opened for a batch of letters, and gives a function that sends one letter.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Protocol
from urllib.parse import unquote, urlsplit

import structlog
from aiosmtplib import (
    SMTP,
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from chassis.jobs import TryLater
from notifications.domain import Letter

log = structlog.get_logger("notifications")

Send = Callable[[Letter], Awaitable[None]]

ADDRESS_ERRORS = (MessageError, ValueError, IndexError)
"""Errors of the library for a text that is no address. A UnicodeError is a ValueError."""
TOO_MANY_RECIPIENTS = 552
"""Some relays answer 552 where they mean 452, try again later (RFC 5321, 4.5.3.1.10)."""


class Unavailable(TryLater):
    """The channel takes no letter now. The text is a slug."""


class NotTaken(TryLater):
    """The channel did not take this letter, and may take the next one. The text is a slug without an address."""


class Undeliverable(Exception):
    """The channel will never take this letter: it has no valid address, or the relay refused it permanently.

    The text is a slug without an address.
    """


class Channel(Protocol):
    """`open` raises Unavailable; `send` raises Unavailable, NotTaken or Undeliverable."""

    name: str

    def open(self) -> AbstractAsyncContextManager[Send]: ...


class LogChannel:
    """Writes the message to the log instead of sending it.

    Subject and text name the order, its outcome and the amount. The customer's id and address are not in the line.
    """

    name = "log"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send]:
        yield self._send

    async def _send(self, letter: Letter) -> None:
        log.info(
            "customer-told",
            order_id=str(letter.order_id),
            kind=letter.kind,
            message_id=letter.message_id,
            subject=letter.subject,
            text=letter.text,
        )


class SmtpChannel:
    """Sends e-mail through a relay: one connection per batch, STARTTLS where the relay offers it.

    With a password, smtp:// requires STARTTLS: a relay that does not offer it, or whose certificate is not valid, gets
    neither password nor message.

    `url` is smtp://user:password@host:port or smtps://…; the ports are 25 and 465 if it names none.
    `address_template` holds `{customer_id}`: the shop keeps no addresses.
    """

    name = "smtp"

    def __init__(self, url: str, sender: str, address_template: str, timeout: float = 5.0) -> None:
        self._url = urlsplit(url)
        self._sender = sender
        self._address_template = address_template
        self._timeout = timeout

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send]:
        client = self._client()
        try:
            await client.connect()
        except (SMTPException, OSError) as error:
            raise Unavailable(_slug(error)) from error
        try:
            yield lambda letter: self._send(client, letter)
        finally:
            await _say_goodbye(client)

    def _client(self) -> SMTP:
        secure = self._url.scheme == "smtps"
        return SMTP(
            hostname=self._url.hostname,
            port=self._url.port or (465 if secure else 25),
            username=unquote(self._url.username) if self._url.username else None,
            password=unquote(self._url.password) if self._url.password else None,
            use_tls=secure,
            start_tls=True if self._url.password and not secure else None,
            timeout=self._timeout,
        )

    async def _send(self, client: SMTP, letter: Letter) -> None:
        message = self._email(letter)
        try:
            await client.send_message(message)
        except (SMTPServerDisconnected, SMTPConnectError, SMTPTimeoutError, OSError) as error:
            raise Unavailable(_slug(error)) from error
        except ADDRESS_ERRORS as error:
            raise Undeliverable("invalid-address") from error
        except SMTPNotSupported as error:
            raise Undeliverable("smtputf8-not-supported") from error
        except SMTPException as error:
            raise (Undeliverable if _is_final(error) else NotTaken)(_slug(error)) from error

    def _email(self, letter: Letter) -> EmailMessage:
        message = EmailMessage()
        try:
            message["To"] = Address(
                addr_spec=self._address_template.replace("{customer_id}", letter.customer_id)
            )
        except ADDRESS_ERRORS as error:
            raise Undeliverable("invalid-address") from error
        message["From"] = self._sender
        message["Subject"] = letter.subject
        message["Message-ID"] = letter.message_id
        message["Date"] = format_datetime(letter.created_at)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        return message


async def _say_goodbye(client: SMTP) -> None:
    """Send QUIT, as the protocol asks. Errors of a relay that has gone are ignored."""
    try:
        await client.quit()
    except (SMTPException, OSError):
        client.close()


def _is_final(error: Exception) -> bool:
    """Whether the relay refused the recipient or the message permanently (5xx).

    A refused sender or login is a fault of the settings and not of the letter.
    """
    if isinstance(error, SMTPRecipientsRefused) and error.recipients:
        code = error.recipients[0].code
        return 500 <= code < 600 and code != TOO_MANY_RECIPIENTS
    return isinstance(error, SMTPDataError) and 500 <= error.code < 600


def _slug(error: Exception) -> str:
    """The error in one word.

    The relay's text is left out, because it often contains the customer's address.
    """
    if isinstance(error, SMTPRecipientsRefused) and error.recipients:
        return f"smtp-{error.recipients[0].code}"
    if isinstance(error, SMTPResponseException):
        return f"smtp-{error.code}"
    return type(error).__name__
