"""Three modules in one database, which exist only here: a thing is sold, its parcel is packed, its bill is paid.

    request: thing-sold  →  parcels: parcel-packed  →  bills: a call of a bank, bill-paid  →  things: thing-done

Each module has a schema and a role of its own. In `events` each handler writes down what it was called for.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from chassis.backoff import Backoff
from chassis.events import Batch, Cause, ConsumedEvent, PublishedEvent
from chassis.inbox import Inbox, Subscriptions
from chassis.jobs import IntentQueue, PostponedIntent
from chassis.observability.module import current_module
from chassis.outbox import Database, OutboxRow, Transaction
from chassis.postgres import Connection
from chassis.single import Calls, OneTransaction, Participant, SagaDatabase
from shop_stack import module_databases
from shop_stack.postgres import Server
from testkit.databases import TestDatabase

MODULES = ("things", "parcels", "bills")
COPIED = ("inbox", "outbox", "dead_letters")
CALL_SECONDS = 0.5
LEASE_SECONDS = 60.0
PAY = "pay-due-bills"


class ThingSold(PublishedEvent, type="things.thing-sold.v1", topic="things.thing.v1", key="name"):
    name: str


class ThingDone(PublishedEvent, type="things.thing-done.v1", topic="things.thing.v1", key="name"):
    name: str


class ParcelPacked(PublishedEvent, type="parcels.parcel-packed.v1", topic="parcels.parcel.v1", key="name"):
    name: str


class BillPaid(PublishedEvent, type="bills.bill-paid.v1", topic="bills.bill.v1", key="name"):
    name: str


class Sold(ConsumedEvent, type="things.thing-sold.v1", topic="things.thing.v1"):
    name: str


class Done(ConsumedEvent, type="things.thing-done.v1", topic="things.thing.v1"):
    name: str


class Packed(ConsumedEvent, type="parcels.parcel-packed.v1", topic="parcels.parcel.v1"):
    name: str


class Paid(ConsumedEvent, type="bills.bill-paid.v1", topic="bills.bill.v1"):
    name: str


@dataclass(frozen=True)
class Bill:
    """A bill that is due, as a durable intent."""

    name: str
    attempts: int
    traceparent: str | None = None


async def nothing(tx: Transaction) -> None:
    """Do nothing more."""


async def pay_at_once(bill: Bill) -> str:
    """The bank's usual answer."""
    return "paid"


@dataclass
class Modules:
    """The handlers of the three modules, and what a test changes about them."""

    in_module: list[str] = field(default_factory=list)
    """Which module each call of a handler was made for."""
    while_packing: Callable[[Transaction], Awaitable[None]] = nothing
    while_ending: Callable[[Transaction], Awaitable[None]] = nothing
    call: Callable[[Bill], Awaitable[str]] = pay_at_once
    packs: bool = True
    committed: dict[str, list[str]] = field(default_factory=dict)
    """Module → the types of the events that were committed, as its `on_commit` was told."""

    async def note(self, tx: Transaction, what: str, events: Sequence[Any]) -> None:
        self.in_module.append(current_module())
        for event in events:
            await tx.connection.execute(
                text("INSERT INTO seen (what, name) VALUES (:what, :name)"),
                {"what": what, "name": event.data.name},
            )

    async def pack(self, tx: Transaction, events: Batch[Sold]) -> None:
        await self.note(tx, "pack", events)
        await self.while_packing(tx)
        for event in events:
            if self.packs:
                tx.publish(ParcelPacked(name=event.data.name), cause=event.cause)

    async def send(self, tx: Transaction, events: Batch[Done]) -> None:
        await self.note(tx, "send", events)

    async def open_bill(self, tx: Transaction, events: Batch[Sold]) -> None:
        await self.note(tx, "open", events)

    async def make_due(self, tx: Transaction, events: Batch[Packed]) -> None:
        await self.note(tx, "due", events)
        for event in events:
            await tx.connection.execute(
                text("INSERT INTO bills (name, state) VALUES (:name, 'DUE')"), {"name": event.data.name}
            )
        tx.wake(PAY)

    async def end(self, tx: Transaction, events: Batch[Paid]) -> None:
        await self.note(tx, "end", events)
        await self.while_ending(tx)
        for event in events:
            tx.publish(ThingDone(name=event.data.name), cause=event.cause)

    async def is_unfinished(self, connection: Connection, published: Sequence[OutboxRow]) -> bool:
        """Whether a thing was sold in this transaction and is not done, as the module `things` sees it."""
        ended = "SELECT name FROM seen WHERE what = 'end'"
        query = text(f"SELECT EXISTS (SELECT FROM sold WHERE name = ANY(:names) AND name NOT IN ({ended}))")
        return bool(await connection.value(query, {"names": [row.key for row in published]}))

    async def calling(self, bill: Bill) -> str:
        return await self.call(bill)

    @property
    def subscriptions(self) -> dict[str, Subscriptions]:
        """Module → its table of event → handler."""
        return {
            "things": Subscriptions({Paid: self.end}),
            "parcels": Subscriptions({Sold: self.pack, Done: self.send}),
            "bills": Subscriptions(
                {Sold: self.open_bill, Packed: self.make_due}, ignored={"things.thing.v1": [Done.event_type]}
            ),
        }


async def claim(tx: Transaction, limit: int, lease_seconds: float) -> list[Bill]:
    """Claim bills that are due, the oldest first."""
    rows = await tx.connection.rows(
        text("""
            UPDATE bills SET state = 'CALLING', attempts = attempts + 1 WHERE name IN (
                SELECT name FROM bills WHERE state = 'DUE' ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
            RETURNING name, attempts
        """),
        {"limit": limit},
    )
    return [Bill(row.name, row.attempts) for row in rows]


async def record(tx: Transaction, outcomes: Sequence[tuple[Bill, str]]) -> None:
    """Record what the bank has answered, once for a bill."""
    for bill, outcome in outcomes:
        changed = await tx.connection.row(
            text("UPDATE bills SET state = :outcome WHERE name = :name AND state = 'CALLING' RETURNING name"),
            {"name": bill.name, "outcome": outcome},
        )
        if changed is not None:
            tx.publish(BillPaid(name=bill.name), cause=Cause(None, bill.name, None))


async def postpone(tx: Transaction, postponed: Sequence[PostponedIntent[Bill]]) -> None:
    """Make bills due again at once."""
    for each in postponed:
        values = {"name": each.item.name, "attempts": each.item.attempts}
        await tx.connection.execute(
            text("UPDATE bills SET state = 'DUE' WHERE name = :name AND attempts = :attempts"), values
        )


QUEUE: IntentQueue[Bill, str] = IntentQueue(
    name="bills",
    claim=claim,
    record=record,
    postpone=postpone,
    max_claimed=1,
    concurrency=1,
    lease_seconds=LEASE_SECONDS,
    call_seconds=CALL_SECONDS,
    pauses=Backoff(first=0.01, longest=0.01),
)


@dataclass
class Hall:
    """The database of the three modules, with what a test looks at."""

    modules: Modules
    requests: SagaDatabase
    """The database of the requests of `things`."""
    participants: dict[str, Participant]
    url: str
    """As `things` connects."""
    superuser: Any

    async def sell(self, name: str) -> None:
        """A request: it sells a thing."""
        async with self.requests.transaction() as tx:
            await tx.connection.execute(text("INSERT INTO sold (name) VALUES (:name)"), {"name": name})
            tx.publish(ThingSold(name=name), cause=Cause(None, name, None))

    async def seen(self) -> dict[str, list[str]]:
        """Module → what its handlers have committed, in order."""
        return {
            name: [row["what"] for row in await self.all(f"SELECT what FROM {name}.seen ORDER BY id")]
            for name in MODULES
        }

    async def all(self, query: str) -> list[Any]:
        """The rows of a query of the superuser."""
        return list(await self.superuser.fetch(query))

    async def events(self) -> dict[str, list[str]]:
        """Module → the types of the events in its outbox, in order."""
        return {
            name: [row["type"] for row in await self.all(f"SELECT type FROM {name}.outbox ORDER BY id")]
            for name in MODULES
        }


@asynccontextmanager
async def open_hall(server: Server, project: TestDatabase, modules: Modules) -> AsyncIterator[Hall]:
    """Make the schemas and roles in a database that has the chassis' tables. The roles are dropped at the end."""
    end = uuid.uuid4().hex[:8]
    roles = {name: f"{name}_{end}" for name in MODULES}
    async with server.connected(project.name) as superuser:
        for name, role in roles.items():
            await superuser.execute(_schema(name, role, project.name))
        await module_databases.let_act_as(server, roles["things"], [roles["parcels"], roles["bills"]])
        urls = {name: server.url(project.name, role, "secret") for name, role in roles.items()}
        databases = {name: Database(url) for name, url in urls.items()}
        try:
            participants = {
                name: _participant(name, roles[name], databases[name], modules) for name in MODULES
            }
            requests = SagaDatabase("things", url=urls["things"])
            yield Hall(modules, requests, participants, urls["things"], superuser)
            await requests.close()
        finally:
            for database in databases.values():
                await database.close()
            for name, role in roles.items():
                await superuser.execute(f"DROP SCHEMA {name} CASCADE; DROP OWNED BY {role}; DROP ROLE {role}")


def _participant(name: str, role: str, database: Database, modules: Modules) -> Participant:
    calls = Calls(job=PAY, queue=QUEUE, call=modules.calling, key=lambda bill: bill.name)
    parts = {
        "things": OneTransaction(starts=True, is_unfinished=modules.is_unfinished),
        "parcels": OneTransaction(),
        "bills": OneTransaction(calls=calls),
    }

    def on_commit(tx: Transaction) -> None:
        modules.committed.setdefault(current_module(), []).extend(row.type for row in tx.rows)

    inbox = Inbox(database, name, modules.subscriptions[name], retries_at_once=True)
    return Participant(inbox, parts[name], on_commit, role, schema=name)


def _schema(name: str, role: str, database: str) -> str:
    copies = "".join(f"CREATE TABLE {name}.{table} (LIKE public.{table} INCLUDING ALL);" for table in COPIED)
    return f"""
        CREATE ROLE {role} LOGIN PASSWORD 'secret';
        ALTER ROLE {role} IN DATABASE "{database}" SET search_path = {name};
        GRANT CONNECT ON DATABASE "{database}" TO {role};
        CREATE SCHEMA {name};
        {copies}
        CREATE TABLE {name}.seen (id bigint GENERATED ALWAYS AS IDENTITY, what text, name text);
        CREATE TABLE {name}.sold (name text);
        CREATE TABLE {name}.bills (
            id bigint GENERATED ALWAYS AS IDENTITY, name text, state text, attempts int DEFAULT 0);
        GRANT USAGE ON SCHEMA {name} TO {role};
        GRANT ALL ON ALL TABLES IN SCHEMA {name} TO {role};
    """
