"""What the component tests share: the service without its edges, and a real SMTP server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any
from uuid import UUID

import httpx
import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import text

from chassis.events import Money, PublishedEvent, new_id
from chassis.outbox import Database
from notifications import handlers
from notifications.directory import DirectoryUnavailable, NoAddress, UnknownCustomer
from notifications.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderRejected,
    PaymentRefunded,
    PaymentRefundedV2,
)
from notifications.main import create_service
from testkit import client, published, received

TOTAL = Money(amount_minor=2598, currency="EUR")


@dataclass
class Desk:
    """The service without its edges: each method is one committed transaction."""

    database: Database

    async def confirm(self, *orders: UUID, customer_id: str = "customer-ada") -> list[PublishedEvent]:
        async with self.database.transaction() as tx:
            events = [OrderConfirmed(order_id=o, customer_id=customer_id, total=TOTAL) for o in orders]
            await handlers.announce_confirmation(tx, [received(e) for e in events])
            assert tx.wakes == {"deliver"}
            return await published(tx)

    async def reject(self, order: UUID, reason: str = "out_of_stock", sold_out: tuple[str, ...] = ()) -> None:
        event = OrderRejected(
            order_id=order, customer_id="customer-ada", total=TOTAL, reason=reason, sold_out=sold_out
        )
        async with self.database.transaction() as tx:
            await handlers.announce_rejection(tx, [received(event)])

    async def cancel(self, order: UUID, reason: str = "customer") -> None:
        event = OrderCancelled(order_id=order, customer_id="customer-ada", total=TOTAL, reason=reason)
        async with self.database.transaction() as tx:
            await handlers.announce_cancellation(tx, [received(event)])

    async def refund(self, order: UUID) -> None:
        event = PaymentRefunded(order_id=order, customer_id="customer-ada", amount=TOTAL)
        async with self.database.transaction() as tx:
            await handlers.announce_refund(tx, [received(event)])

    async def refund_with_reason(self, order: UUID, reason: str = "deadline") -> None:
        event = PaymentRefundedV2(order_id=order, customer_id="customer-ada", refunded=TOTAL, reason=reason)
        async with self.database.transaction() as tx:
            await handlers.announce_refund_with_reason(tx, [received(event)])

    async def rows(self) -> list[Any]:
        return await self._all("SELECT * FROM notifications ORDER BY id")

    async def outbox(self) -> list[Any]:
        return await self._all("SELECT * FROM outbox ORDER BY id")

    async def let_leases_and_pauses_pass(self) -> None:
        """What waiting would do."""
        async with self.database.transaction() as tx:
            await tx.connection.execute(
                text("UPDATE notifications SET due_at = now() WHERE state = 'PENDING'")
            )

    async def pretend_attempts(self, attempts: int) -> None:
        async with self.database.transaction() as tx:
            await tx.connection.execute(text("UPDATE notifications SET attempts = :n"), {"n": attempts})

    async def seconds_until_due(self) -> float:
        (row,) = await self._all("SELECT extract(epoch FROM due_at - now())::float8 AS s FROM notifications")
        return float(row["s"])

    async def _all(self, query: str) -> list[Any]:
        async with self.database.reading() as connection:
            return await connection.rows(text(query))


@dataclass
class AddressBook:
    """The directory as a channel sees it: each customer has an address that is formed by `template`.

    `absent` are customers without an entry, `nameless` entries without an address. At `silent` customers it gives no
    answer.
    """

    template: str = "{}@customers.example"
    absent: frozenset[str] = frozenset()
    nameless: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    async def address_of(self, customer_id: str) -> str:
        self.asked.append(customer_id)
        if customer_id in self.silent:
            raise DirectoryUnavailable("directory-TimeoutError")
        if customer_id in self.absent:
            raise UnknownCustomer
        if customer_id in self.nameless:
            raise NoAddress
        return self.template.format(customer_id)


@dataclass
class Mailbox:
    """An SMTP server that keeps what it takes. `answer` is what it says to DATA, `recipient` to RCPT.

    To a RCPT of an address that begins with `silent_at` it gives no answer, or closes the connection if it `hangs_up`.
    """

    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    answer: str = "250 taken"
    refuse: str | None = None
    refusal: str = "550 no such user"
    silent_at: str | None = None
    hangs_up: bool = False
    asked: list[str] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        self.asked.append(address)
        if self.silent_at is not None and address.startswith(self.silent_at):
            if self.hangs_up:
                server.transport.abort()
            await asyncio.Event().wait()
        if self.refuse is not None and address.startswith(self.refuse):
            return f"{self.refusal} {address}"
        envelope.rcpt_tos.append(address)
        return "250 known"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answer.startswith("2"):
            message = BytesParser(policy=default).parsebytes(envelope.content)
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
            self.recipients += envelope.rcpt_tos
        return self.answer


@dataclass
class Relay:
    """An SMTP server that can come and go, always at the same address."""

    port: int
    mailbox: Mailbox = field(default_factory=Mailbox)
    controller: Controller | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def start(self, **options: Any) -> None:
        self.controller = Controller(self.mailbox, hostname="127.0.0.1", port=self.port, **options)
        self.controller.start()

    def stop(self) -> None:
        if self.controller is not None:
            self.controller.stop()
            self.controller = None


@pytest.fixture
async def url(database: Callable[[str], Awaitable[Any]]) -> str:
    """A fresh, migrated database, as the service's runtime role sees it."""
    return str((await database("notifications")).url)


@pytest.fixture
async def desk(url: str) -> AsyncIterator[Desk]:
    desk = Desk(Database(url))
    yield desk
    await desk.database.close()


@pytest.fixture
def addresses() -> AddressBook:
    return AddressBook()


@pytest.fixture
def order() -> UUID:
    return new_id()


@pytest.fixture
def relay(unused_tcp_port: int) -> Iterator[Relay]:
    relay = Relay(unused_tcp_port)
    relay.start()
    yield relay
    relay.stop()


@pytest.fixture
async def http(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """The service's API, in a process that answers HTTP only."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("SHOP_ROLE", "api")
    async with client(create_service()) as asking:
        yield asking
