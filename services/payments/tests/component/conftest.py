"""What the component tests share: a fresh database, and the real card processor with a ledger file of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from chassis.events import Money, new_id
from chassis.observability.outages import Outages
from chassis.outbox import Database
from payments import handlers, jobs, processor
from payments.events import OrderCancelled, OrderPlaced, StockReserved
from payments.main import create_service
from payments.processor import Processor
from payments.settings import Settings
from testkit import client, eventually, received

AMOUNT = Money(amount_minor=1250, currency="EUR")
FOREVER = 3600.0
API_KEY = "merchants-key"


@dataclass
class Floor:
    """Payments without its HTTP and Kafka: facts arrive by its handlers, its jobs run when told."""

    url: str
    db: Database
    cards: httpx.AsyncClient
    processor: Processor
    woken: list[set[str]] = field(default_factory=list)
    """Per committed transaction, the jobs that it woke."""

    async def place(
        self,
        order_id: UUID | None = None,
        token: str = "tok_ok",
        deadline: timedelta = timedelta(minutes=1),
        placed_at: datetime | None = None,
    ) -> UUID:
        """OrderPlaced arrives."""
        order_id = order_id or new_id()
        await self.place_all([order_id], token, deadline, placed_at)
        return order_id

    async def place_all(
        self,
        order_ids: list[UUID],
        token: str = "tok_ok",
        deadline: timedelta = timedelta(minutes=1),
        placed_at: datetime | None = None,
    ) -> None:
        """OrderPlaced arrives, in one batch."""
        placed_at = placed_at or datetime.now(UTC)
        batch = [
            received(
                OrderPlaced(
                    order_id=order_id,
                    customer_id="c-ada",
                    total=AMOUNT,
                    payment_token=SecretStr(token),
                    placed_at=placed_at,
                    deadline_at=placed_at + deadline,
                )
            )
            for order_id in order_ids
        ]
        async with self.db.transaction() as tx:
            await handlers.open_payment(tx, batch)

    async def reserve(self, *order_ids: UUID) -> list[UUID]:
        """StockReserved arrives, in one batch. Returns the ids of the events."""
        batch = [received(StockReserved(order_id=order_id)) for order_id in order_ids]
        async with self.db.transaction() as tx:
            await handlers.note_stock_reserved(tx, batch)
        return [event.id for event in batch]

    async def cancel(self, *order_ids: UUID, reason: str = "customer") -> list[UUID]:
        """OrderCancelled arrives, in one batch. Returns the ids of the events."""
        batch = [
            received(OrderCancelled(order_id=order_id, customer_id="c-ada", reason=reason))
            for order_id in order_ids
        ]
        async with self.db.transaction() as tx:
            await handlers.cancel_payment(tx, batch)
        return [event.id for event in batch]

    async def due(self, token: str = "tok_ok") -> UUID:
        """Both facts have arrived."""
        order_id = await self.place(token=token)
        await self.reserve(order_id)
        return order_id

    async def captured(self) -> UUID:
        """Both facts have arrived, and the card is charged."""
        order_id = await self.due()
        await self.settle()
        return order_id

    async def settle(self, processor: Processor | None = None) -> int:
        """The job `charge-due-payments`, run once."""
        return await jobs.charge_due_payments(
            self.db, processor=processor or self.processor, queue=jobs.charge_queue(8, FOREVER)
        )

    async def refund(self, processor: Processor | None = None) -> int:
        """The job `refund-due-payments`, run once."""
        return await jobs.refund_due_payments(
            self.db, processor=processor or self.processor, queue=jobs.refund_queue(8, FOREVER)
        )

    async def time_passes(self) -> None:
        """Every lease and every pause has ended."""
        async with self.db.transaction() as tx:
            await tx.connection.execute(text("UPDATE payments SET due_at = now() WHERE due_at IS NOT NULL"))
            await tx.connection.execute(text("UPDATE refunds SET due_at = now() WHERE due_at IS NOT NULL"))

    async def settle_everything(self) -> None:
        """Run both jobs until nothing is due any more."""
        for _ in range(20):
            await self.time_passes()
            if not await self.settle() + await self.refund():
                return
        raise AssertionError("the jobs never come to an end")

    async def payment(self, order_id: UUID) -> Any:
        """The payment's row."""
        return await self._one("SELECT * FROM payments WHERE order_id = :order_id", order_id)

    async def state(self, order_id: UUID) -> str:
        """The payment's state."""
        return str((await self.payment(order_id)).state)

    async def refund_of(self, order_id: UUID) -> Any:
        """The refund's row, or None."""
        return await self._one("SELECT * FROM refunds WHERE order_id = :order_id", order_id)

    async def published(self, order_id: UUID) -> list[Any]:
        """The outbox rows of an order, in order."""
        async with self.db.reading() as connection:
            return await connection.rows(
                text("SELECT * FROM outbox WHERE key = :key ORDER BY id"), {"key": str(order_id)}
            )

    async def events(self, order_id: UUID) -> list[str]:
        """The types of what was published of an order, in order."""
        return [row.type for row in await self.published(order_id)]

    async def ledger(self, order_id: UUID) -> list[str]:
        """What the card processor did for an order: charge, refund."""
        entries = (await self.cards.get("/ledger")).json()["entries"]
        return [entry["kind"] for entry in entries if entry["reference"] == str(order_id)]

    async def _one(self, query: str, order_id: UUID) -> Any:
        async with self.db.reading() as connection:
            return await connection.row(text(query), {"order_id": order_id})


@pytest.fixture(autouse=True)
def no_outage_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins without an outage of an earlier one."""
    fresh = Outages()
    monkeypatch.setattr(jobs, "OUTAGES", fresh)
    monkeypatch.setattr(processor, "OUTAGES", fresh)


@pytest.fixture(scope="session")
def card_processor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real card processor, a process whose slow answers never come in time; the url of its API."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(port),
        "PROCESSOR_LEDGER": str(tmp_path_factory.mktemp("processor") / "ledger"),
        "PROCESSOR_SLOW_SECONDS": str(FOREVER),
        "PROCESSOR_API_KEY": API_KEY,
    }
    process = subprocess.Popen([sys.executable, "-m", "processor.main"], env=os.environ | settings)
    yield f"http://127.0.0.1:{port}"
    process.kill()  # it may be in the middle of a slow answer
    process.wait()


@pytest.fixture
async def floor(database: Callable[[str], Awaitable[Any]], card_processor: str) -> AsyncIterator[Floor]:
    """Payments over a fresh database, beside the card processor."""
    url = str((await database("payments")).url)
    woken: list[set[str]] = []
    db = Database(url, on_commit=lambda tx: woken.append(tx.wakes))
    processor = Processor(card_processor, API_KEY, FOREVER, 32)
    async with httpx.AsyncClient(base_url=card_processor, trust_env=False) as cards:

        async def is_ready() -> None:
            try:
                assert (await cards.get("/readyz")).status_code == 200
            except httpx.TransportError as error:
                raise AssertionError("the card processor does not answer yet") from error

        await eventually(is_ready, deadline=30)
        yield Floor(url, db, cards, processor, woken)
    await processor.close()
    await db.close()


@pytest.fixture
async def http(floor: Floor) -> AsyncIterator[httpx.AsyncClient]:
    """The service's API over the floor's database."""
    settings = {
        "database_url": floor.url,
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "processor_api_key": API_KEY,
        "SHOP_ROLE": "api",
    }
    async with client(create_service(Settings.model_validate(settings))) as asking:
        yield asking
