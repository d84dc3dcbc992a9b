"""Channels to the customer: the log, or e-mail. One more module, because e-mail is an outside system (0002).

A channel is opened for a batch of messages. `open` yields a function that sends one message.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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
from notifications.directory import (
    DEPENDENCY,
    Directory,
    DirectoryUnavailable,
    NoAddress,
    UnknownCustomer,
)
from notifications.domain import Message
from notifications.settings import ADDRESS_ERRORS

log = structlog.get_logger("notifications")

Send = Callable[[Message], Awaitable[None]]

LOST = (SMTPServerDisconnected, SMTPConnectError, SMTPTimeoutError, OSError)
"""Errors after which the connection cannot be used again."""
MAX_LOST = 2
"""With this number of lost connections in a row, the server counts as unavailable."""
TOO_MANY_RECIPIENTS = 552
"""Some SMTP servers answer 552 if they mean 452, try again later (RFC 5321, 4.5.3.1.10)."""


class ChannelUnavailable(TryLater):
    """The channel accepts no message now. The text of the error is a slug.

    `dependency` names the outside system, if it is another one than the channel.
    """

    def __init__(self, slug: str, dependency: str | None = None) -> None:
        super().__init__(slug)
        self.dependency = dependency


class NotAccepted(TryLater):
    """The channel did not accept this message now, and may accept the next one.

    The text of the error is a slug without an address.
    """


class Undeliverable(Exception):
    """The channel will never accept this message: it has no valid address, or the server refused it permanently.

    The text of the error is a slug without an address.
    """


class Channel(Protocol):
    """A way to send messages.

    `open` raises ChannelUnavailable. The function that it yields raises ChannelUnavailable, NotAccepted, Undeliverable.
    """

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

    async def _send(self, message: Message) -> None:
        log.info(
            "customer-told",
            order_id=str(message.order_id),
            kind=message.kind,
            message_id=message.message_id,
            subject=message.subject,
            text=message.text,
        )


class SmtpChannel:
    """Sends e-mail through an SMTP server: one connection per batch, STARTTLS if the server offers it.

    The address of each message comes from the directory, and is kept nowhere.

    If the server goes silent or closes the connection at a message, the next message gets a new connection: the cause
    may be one recipient. After the second one in a row the server counts as unavailable. The same holds for the
    directory.

    With a login, smtp:// requires STARTTLS. If the server does not offer it, or its certificate is not valid, the
    server gets neither login nor message. A user name alone is a login too, because it may be a token.

    `url` is smtp://user:password@host:port or smtps://…. The default ports are 25 and 465.
    `timeout` is the SMTP server's, in seconds.
    """

    name = "smtp"

    def __init__(self, url: str, sender: str, directory: Directory, timeout: float = 5.0) -> None:
        self._url = urlsplit(url)
        self._sender = sender
        self._directory = directory
        self._timeout = timeout

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Send]:
        client: SMTP | None = await self._connected()
        lost = 0  # messages in a row at which the server or the directory gave no answer

        async def send(message: Message) -> None:
            nonlocal client, lost
            try:
                email = self._email(message, await self._address_of(message))
            except DirectoryUnavailable as error:
                lost += 1
                raise _no_answer(lost, str(error), DEPENDENCY) from error
            except Undeliverable:
                lost = 0
                raise
            client = client or await self._connected()
            try:
                await self._send(client, email)
            except LOST as error:
                client.close()
                client = None
                lost += 1
                raise _no_answer(lost, _slug(error)) from error
            except (NotAccepted, Undeliverable):
                lost = 0
                raise
            lost = 0

        try:
            yield send
        finally:
            if client is not None:
                await _quit(client)

    async def _connected(self) -> SMTP:
        client = self._client()
        try:
            await client.connect()
        except (SMTPException, OSError) as error:
            raise ChannelUnavailable(_slug(error)) from error
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

    async def _address_of(self, message: Message) -> Address:
        """The address of the customer. Raises DirectoryUnavailable or Undeliverable."""
        try:
            return parsed_address(await self._directory.address_of(message.customer_id))
        except UnknownCustomer as error:
            raise Undeliverable("unknown-customer") from error
        except NoAddress as error:
            raise Undeliverable("no-address") from error
        except ADDRESS_ERRORS:
            # Its text would be in the log of an unexpected error, with the address.
            raise Undeliverable("invalid-address") from None

    async def _send(self, client: SMTP, email: EmailMessage) -> None:
        try:
            await client.send_message(email)
        except LOST:
            raise
        except SMTPNotSupported as error:
            # If it is the sender, the message is sent after the settings are corrected.
            refused = NotAccepted if str(email["To"]).isascii() else Undeliverable
            raise refused("smtputf8-not-supported") from error
        except SMTPException as error:
            raise (Undeliverable if _is_final(error) else NotAccepted)(_slug(error)) from error

    def _email(self, message: Message, address: Address) -> EmailMessage:
        email = EmailMessage()
        email["To"] = address
        email["From"] = self._sender
        email["Subject"] = message.subject
        email["Message-ID"] = message.message_id
        email["Date"] = format_datetime(message.created_at)
        email["Auto-Submitted"] = "auto-generated"
        email.set_content(message.text)
        return email


def parsed_address(text: str) -> Address:
    """The address in a text. Raises one of ADDRESS_ERRORS if the text is not an address.

    The text must be the address as it is, because a parser drops quotes and comments: `ada(2)` would be read as `ada`,
    who is another customer.
    """
    address = Address(addr_spec=text)
    if address.addr_spec != text or not address.domain:
        raise ValueError("not an address")
    text.encode()  # raises for a surrogate
    return address


async def _quit(client: SMTP) -> None:
    """Send QUIT, as the protocol requires. Errors are ignored: the connection may be closed already."""
    try:
        await client.quit()
    except (SMTPException, OSError):
        client.close()


def _no_answer(lost: int, slug: str, dependency: str | None = None) -> TryLater:
    """The error for a message at which the server or the directory gave no answer, `lost` times in a row now."""
    return NotAccepted(slug) if lost < MAX_LOST else ChannelUnavailable(slug, dependency)


def _is_final(error: Exception) -> bool:
    """Whether the server refused the recipient or the message permanently (5xx).

    If it refuses the sender or the login, the settings are wrong and not the message.
    """
    if isinstance(error, SMTPRecipientsRefused) and error.recipients:
        code = error.recipients[0].code
        return 500 <= code < 600 and code != TOO_MANY_RECIPIENTS
    return isinstance(error, SMTPDataError) and 500 <= error.code < 600


def _slug(error: Exception) -> str:
    """The error in one word.

    The server's text is left out, because it often contains the customer's address.
    """
    if isinstance(error, SMTPRecipientsRefused) and error.recipients:
        return f"smtp-{error.recipients[0].code}"
    if isinstance(error, SMTPResponseException):
        return f"smtp-{error.code}"
    return type(error).__name__
