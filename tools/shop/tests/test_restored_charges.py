"""A charge that no event tells, because payments was stopped between the call and the record of its result.

Each test makes a restored database of payments whole, reads again what others told it, and lets it settle its charges.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chassis.outbox import Database
from payments import handlers
from payments.domain import Charge, Charged, Declined, Reason, payment_id_of
from payments.events import OrderCancelled, OrderPlaced, StockReserved
from shop.restore import run
from shop_observe.kafka_log import Entry, Log
from shop_observe.topics import Topic
from shop_oracle.evidence import Movement
from shop_stack import kafka_groups, kafka_offsets
from shop_stack.postgres import Server
from testkit import received
from testkit.databases import MakeDatabase, TestDatabase

NOW = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)
AT = NOW.isoformat()
ORDER = "01985f0e-0000-7000-8000-000000000001"
TOKEN = "tok_ok_1"
TOPICS = [
    Topic("orders.order.v1", "orders", ("payments",), ("orders.order-placed.v1",), compacted=False),
    Topic("payments.payment.v1", "payments", ("orders",), ("payments.payment-captured.v1",), compacted=False),
]


def told(type_: str, **data: Any) -> Entry:
    """An event of ORDER on Kafka."""
    topic = "orders.order.v1" if type_.startswith("orders") else "inventory.reservation.v1"
    value = json.dumps({"order_id": ORDER, **data}).encode()
    return Entry(topic, 0, 0, 0, ORDER, str(uuid4()), "/s", type_, "correlated", "", "", AT, value)


PLACED = told(
    "orders.order-placed.v1",
    customer_id="c-ada",
    total={"amount_minor": 2_580, "currency": "EUR"},
    payment_token=TOKEN,
    placed_at=AT,
    deadline_at=AT,
)
RESERVED = told("inventory.stock-reserved.v1")
CANCELLED = told("orders.order-cancelled.v1", customer_id="c-ada", reason="deadline")
CALL = Charge(UUID(ORDER), payment_id_of(UUID(ORDER)), 2_580, "EUR", TOKEN, 1, None)
CHARGE = Movement("charge", "ch_1", ORDER, 2_580, "EUR")
HANDLERS: dict[str, tuple[Any, Any]] = {
    PLACED.type: (OrderPlaced, handlers.open_payment),
    RESERVED.type: (StockReserved, handlers.note_stock_reserved),
    CANCELLED.type: (OrderCancelled, handlers.cancel_payment),
}


@dataclass
class Payments:
    """The database of payments, without its Kafka and its card processor."""

    name: str
    database: Database

    async def reads(self, *entries: Entry) -> None:
        """Its handlers get these events."""
        for entry in entries:
            model, handler = HANDLERS[entry.type]
            async with self.database.transaction() as tx:
                await handler(tx, [received(model.model_validate_json(entry.value))])

    async def calls(self) -> Sequence[Charge]:
        """It is about to call the processor for all charges that are due."""
        async with self.database.transaction() as tx:
            return await handlers.claim_charges(tx, 8, 10)

    async def records(self, call: Charge, answer: Charged | Declined) -> None:
        """It has the processor's answer."""
        async with self.database.transaction() as tx:
            await handlers.record_charges(tx, [(call, answer)])

    async def value(self, query: str) -> Any:
        async with self.database.reading() as connection:
            row = await connection.row(text(query))
        return row and row[0]


@dataclass
class Restore:
    """A restore of payments: the database from before, the restored one, and what the others know."""

    server: Server
    former: Payments
    restored: Payments
    log: list[Entry] = field(default_factory=lambda: [PLACED, CANCELLED, RESERVED])
    ledger: list[Movement] = field(default_factory=list)
    is_former_readable: bool = True

    @asynccontextmanager
    async def connected(self, name: str) -> AsyncIterator[Any]:
        """The server. By the name of the service, it gives the database from before."""
        if name == "payments":
            name = self.former.name if self.is_former_readable else "missing"
        async with self.server.connected(name) as connection:
            yield connection

    async def makes_whole(self) -> run.Outcome:
        outcome = run.Outcome("payments", AT, AT, "payments_former")
        stack: Any = SimpleNamespace(
            server=self,
            logins=SimpleNamespace(of=lambda user: None),
            deployment=lambda service: SimpleNamespace(slot="a"),
        )
        sources = run.Sources(TOPICS, frozenset(HANDLERS), Log(self.log, {}), self.ledger)
        await run.make_whole(stack, sources, NOW, self.restored.name, outcome)
        return outcome


@asynccontextmanager
async def opened(made: TestDatabase) -> AsyncIterator[Payments]:
    database = Database(made.url, on_commit=lambda tx: None)
    yield Payments(made.name, database)
    await database.close()


@pytest.fixture
async def restore(
    database: MakeDatabase, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Restore]:
    async def no_kafka(*arguments: Any) -> dict[Any, int]:
        return {}

    monkeypatch.setattr(kafka_groups, "remove_static_member", no_kafka)
    monkeypatch.setattr(kafka_offsets, "wind_back", no_kafka)
    async with opened(await database("payments")) as former, opened(await database("payments")) as restored:
        yield Restore(postgres_server, former, restored)


AT_THE_TIME = {"absent": (), "OPENED": (PLACED,), "AWAITING": (RESERVED,), "DUE": (PLACED, RESERVED)}
"""The restored payment → the events that it had handled."""
STATE = "SELECT state FROM payments"


async def was_charged_at_the_end(restore: Restore, evidence: str) -> None:
    """payments has called the processor, and was stopped before it recorded the result."""
    if evidence == "the ledger":
        restore.ledger, restore.is_former_readable = [CHARGE], False
        return
    await restore.former.reads(PLACED, RESERVED)
    await restore.former.calls()
    if evidence == "a former CANCELLING":
        await restore.former.reads(CANCELLED)
    assert await restore.former.value(STATE) == evidence.split()[-1]


@pytest.mark.parametrize("evidence", ["the ledger", "a former CAPTURING", "a former CANCELLING"])
@pytest.mark.parametrize("then", AT_THE_TIME)
async def test_a_charge_that_no_event_tells_is_refunded_when_its_order_was_cancelled(
    restore: Restore, then: str, evidence: str
) -> None:
    await restore.restored.reads(*AT_THE_TIME[then])
    await was_charged_at_the_end(restore, evidence)
    outcome = await restore.makes_whole()
    await restore.restored.reads(PLACED, CANCELLED, RESERVED)
    calls = await restore.restored.calls()
    assert calls == [CALL], await restore.restored.value(STATE)
    assert outcome.not_whole == []
    await restore.restored.records(CALL, Charged("ch_1"))
    assert await restore.restored.value("SELECT state FROM refunds WHERE due_at IS NOT NULL") == "PENDING"


@pytest.mark.parametrize("then", AT_THE_TIME)
async def test_a_charge_that_no_event_tells_is_told_when_its_order_goes_on(
    restore: Restore, then: str
) -> None:
    await restore.restored.reads(*AT_THE_TIME[then])
    restore.log, restore.ledger = [PLACED, RESERVED], [CHARGE]
    assert (await restore.makes_whole()).not_whole == []
    await restore.restored.reads(PLACED, RESERVED)
    assert await restore.restored.calls() == [CALL]
    await restore.restored.records(CALL, Charged("ch_1"))
    assert await restore.restored.value("SELECT type FROM outbox") == "payments.payment-captured.v1"
    assert await restore.restored.value("SELECT count(*) FROM refunds") == 0
    assert await restore.restored.value("SELECT stock_reserved FROM payments")


async def test_the_event_of_such_a_charge_has_the_placed_order_as_its_cause(restore: Restore) -> None:
    restore.ledger = [CHARGE]
    await restore.makes_whole()
    await restore.restored.calls()
    await restore.restored.records(CALL, Charged("ch_1"))
    assert await restore.restored.value("SELECT causation_id FROM outbox") == UUID(PLACED.id)
    assert await restore.restored.value("SELECT correlation_id FROM outbox") == PLACED.correlation_id


async def test_a_payment_whose_processor_was_not_called_is_voided_without_a_call(restore: Restore) -> None:
    await restore.former.reads(PLACED, RESERVED)
    assert await restore.former.value(STATE) == "DUE"
    await restore.makes_whole()
    await restore.restored.reads(PLACED, CANCELLED, RESERVED)
    assert await restore.restored.calls() == []
    assert await restore.restored.value(STATE) == "VOIDED"


@pytest.mark.parametrize(
    ("answer", "state"), [(Charged("ch_1"), "CAPTURED"), (Declined(Reason.DECLINED), "DECLINED")]
)
async def test_a_payment_whose_result_was_recorded_is_not_called_for_again(
    restore: Restore, answer: Charged | Declined, state: str
) -> None:
    for payments in (restore.restored, restore.former):
        await payments.reads(PLACED, RESERVED)
        await payments.calls()
    await restore.restored.records(CALL, answer)
    restore.ledger = [CHARGE] if state == "CAPTURED" else []
    assert (await restore.makes_whole()).not_whole == []
    assert await restore.restored.value(STATE) == state


@pytest.mark.parametrize("reference", [ORDER, "written by hand"])
async def test_a_charge_that_payments_cannot_ask_for_again_is_listed_with_the_request_that_refunds_it(
    restore: Restore, reference: str
) -> None:
    restore.log, restore.ledger = [RESERVED], [Movement("charge", "ch_1", reference, 2_580, "EUR")]
    [found] = (await restore.makes_whole()).not_whole
    assert found.subject == f"order {reference}"
    assert "/charges/ch_1/refunds" in found.cure
    assert '{"amount_minor": 2580, "currency": "EUR"}' in found.cure
    assert await restore.restored.value("SELECT count(*) FROM payments") == 0
