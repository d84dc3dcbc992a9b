"""Channels to the customer: the log, or e-mail. One more module, because e-mail is an outside system (0002).

A channel is opened for a batch of letters, and gives a function that sends one letter.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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

from chassis.jobs import NotNow
from notifications.domain import Letter
from notifications.settings import ADDRESS_ERRORS, address_of

log = structlog.get_logger("notifications")

Send = Callable[[Letter], Awaitable[None]]

LOST = (SMTPServerDisconnected, SMTPConnectError, SMTPTimeoutError, OSError)
"""Errors after which the connection cannot be used again."""
MOST_LOST = 2
TOO_MANY_RECIPIENTS = 552
"""Some relays answer 552 where they mean 452, try again later (RFC 5321, 4.5.3.1.10)."""


class Unavailable(NotNow):
    """The channel takes no letter now. The text is a slug."""


class NotTaken(NotNow):
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

    If the relay goes silent or hangs up at a letter, the next letter gets a new connection: the cause may be one
    recipient. After the second one in a row the relay counts as unavailable.

    With a login, smtp:// requires STARTTLS: a relay that does not offer it, or whose certificate is not valid, gets
    neither login nor message. A user name alone is a login too, because it may be a token.

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
        client: SMTP | None = await self._connected()
        lost = 0  # connections in a row that a letter has lost

        async def send(letter: Letter) -> None:
            nonlocal client, lost
            message = self._email(letter)
            client = client or await self._connected()
            try:
                await self._send(client, letter, message)
            except LOST as error:
                client.close()
                client = None
                lost += 1
                raise (NotTaken if lost < MOST_LOST else Unavailable)(_slug(error)) from error
            except (NotTaken, Undeliverable):
                lost = 0
                raise
            lost = 0

        try:
            yield send
        finally:
            if client is not None:
                await _say_goodbye(client)

    async def _connected(self) -> SMTP:
        client = self._client()
        try:
            await client.connect()
        except (SMTPException, OSError) as error:
            raise Unavailable(_slug(error)) from error
        return client

    def _client(self) -> SMTP:
        secure = self._url.scheme == "smtps"
        has_login = self._url.username or self._url.password
        return SMTP(
            hostname=self._url.hostname,
            port=self._url.port or (465 if secure else 25),
            username=unquote(self._url.username) if self._url.username else None,
            password=unquote(self._url.password) if self._url.password else None,
            use_tls=secure,
            start_tls=True if has_login and not secure else None,
            timeout=self._timeout,
        )

    async def _send(self, client: SMTP, letter: Letter, message: EmailMessage) -> None:
        try:
            await client.send_message(message)
        except LOST:
            raise
        except SMTPNotSupported as error:
            # If it is the sender or the template, the message is sent after the settings are corrected.
            refused = NotTaken if letter.customer_id.isascii() else Undeliverable
            raise refused("smtputf8-not-supported") from error
        except SMTPException as error:
            raise (Undeliverable if _is_final(error) else NotTaken)(_slug(error)) from error

    def _email(self, letter: Letter) -> EmailMessage:
        message = EmailMessage()
        try:
            message["To"] = address_of(self._address_template, letter.customer_id)
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
