"""Services with a pattern taken away. Each function plants one mutant for a test; production code has no switch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

import inventory.db
import inventory.handlers
import orders.db
import orders.handlers
import payments.handlers
from chassis.events import Cause
from chassis.inbox import Inbox
from chassis.inbox.outcomes import Claim
from chassis.inbox.rounds import InboxEvent
from chassis.outbox import Database, Transaction
from shop_simulate.processes import SteppedDatabase
from shop_simulate.processor import SimulatedProcessor
from shop_simulate.shop import Shop

Plant = Callable[[pytest.MonkeyPatch], None]


def no_inbox(patch: pytest.MonkeyPatch) -> None:
    """Each event is handled as if it were new, and no row says so."""

    async def claim(self: Inbox, tx: Transaction, events: Sequence[InboxEvent]) -> Mapping[Any, Claim]:
        return dict.fromkeys((event.identity for event in events), Claim.NEW)

    patch.setattr(Inbox, "_claim", claim)


def offset_before_commit(patch: pytest.MonkeyPatch) -> None:
    """The consumer commits offsets before the inbox has committed."""
    handle_and_commit = Shop.__dict__["_deliver"]

    async def commit_and_handle(self: Shop, group: str, unread: dict[Any, Any], fate: Any) -> bool:
        before = self.transport.positions.copy()
        done: bool = await handle_and_commit(self, group, unread, fate)
        for lane, records in unread.items():
            self.transport.positions[lane] = before[lane] + len(records)
        return done

    patch.setattr(Shop, "_deliver", commit_and_handle)


def publish_outside_of_the_transaction(patch: pytest.MonkeyPatch) -> None:
    """The events of a transaction are written after its commit, in a second transaction."""
    commit = SteppedDatabase.transaction

    @asynccontextmanager
    async def commit_then_publish(self: SteppedDatabase) -> AsyncIterator[Transaction]:
        async with commit(self) as tx:
            yield tx
            rows, tx.rows = tx.rows, []
        async with Database.transaction(self) as later:
            later.rows = rows

    patch.setattr(SteppedDatabase, "transaction", commit_then_publish)


def no_compare_and_set_on_cancel(patch: pytest.MonkeyPatch) -> None:
    """An order that has ended can end again."""
    statement = str(orders.db.__dict__["_END_GIVEN"])
    patch.setattr(orders.db, "_END_GIVEN", text(statement.replace("AND state = 'PENDING'", "")))


def no_tombstone(patch: pytest.MonkeyPatch) -> None:
    """Inventory forgets a cancellation that overtakes its order."""

    async def release_known(tx: Transaction, causes: Mapping[UUID, Cause]) -> None:
        known = await inventory.db.lock_reservations(tx.connection, causes.keys())
        if known:
            await release(tx, {order_id: causes[order_id] for order_id in known})

    release = inventory.handlers.__dict__["_release_stock"]
    patch.setattr(inventory.handlers, "_release_stock", release_known)


def no_deadline(patch: pytest.MonkeyPatch) -> None:
    """No job cancels overdue orders."""

    async def cancel_none(tx: Transaction) -> int:
        return 0

    patch.setattr(orders.handlers, "cancel_overdue_orders", cancel_none)


def no_key_to_the_processor(patch: pytest.MonkeyPatch) -> None:
    """Each call of the processor has a new idempotency key."""
    post = SimulatedProcessor.__dict__["_post"]

    async def post_anew(
        self: SimulatedProcessor, path: str, what: str, body: Any, key: str, trace: Any
    ) -> Any:
        return await post(self, path, what, body, str(uuid4()), trace)

    patch.setattr(SimulatedProcessor, "_post", post_anew)


def no_refund(patch: pytest.MonkeyPatch) -> None:
    """A cancelled order that was charged is not refunded."""

    async def add_none(tx: Transaction, order_ids: Collection[UUID]) -> None:
        pass

    patch.setattr(payments.handlers, "_add_refunds", add_none)


def broken_handler(patch: pytest.MonkeyPatch) -> None:
    """Inventory cannot claim a reservation."""

    async def fail(*_: object) -> None:
        raise ValueError("planted")

    patch.setattr(inventory.db, "claim_reservations", fail)


class Caught(NamedTuple):
    """A mutant, the schedule that a failing seed was shortened to, and the number of an invariant that it violates."""

    plant: Plant
    schedule: str
    invariant: int


RESERVED = "place 1 mug 1 tok_ok; relay orders; deliver inventory all; relay inventory; deliver payments all"
"""Order 1 has its stock, and its charge is due."""
CHARGE = "job payments charge-due-payments"
CAPTURED = f"{RESERVED}; {CHARGE}; {CHARGE}"
"""The card of order 1 is charged, and payments has recorded it."""

CAUGHT: Sequence[Caught] = (
    Caught(no_inbox, "place 1 mug 1 tok_ok", 6),
    Caught(
        offset_before_commit,
        "place 1 mug 1 tok_ok; relay orders; deliver inventory all dies-before-commit",
        6,
    ),
    Caught(
        publish_outside_of_the_transaction,
        "place 1 mug 9 tok_ok; relay orders; deliver inventory all; relay inventory;"
        " deliver orders all dies-after-commit",
        1,
    ),
    Caught(no_compare_and_set_on_cancel, f"{CAPTURED}; relay payments; deliver orders all; cancel 1", 1),
    Caught(
        no_tombstone,
        "place 1 mug 1 tok_ok; cancel 1; relay orders; swap inventory orders.order.v1 1; deliver inventory all",
        7,
    ),
    Caught(
        no_deadline,
        "place 1 mug 1 tok_ok; relay orders; deliver payments all; wait 3700;"
        " job payments void-abandoned-payments",
        1,
    ),
    Caught(no_key_to_the_processor, f"{RESERVED}; {CHARGE} answer-lost", 4),
    Caught(no_refund, f"{CAPTURED}; cancel 1; relay orders; deliver payments all", 3),
)
