"""The orchestrated saga on a database: what is sent after each message, and what a crash leaves."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chassis.events import ConsumedEvent, Money, PublishedEvent
from chassis.inbox import Subscriptions
from orders.events import PaymentCaptured, PaymentDeclined, Shortage, StockRejected
from orders.orchestrator import commands, jobs, messages, steps
from orders.orchestrator.subscriptions import ORCHESTRATED
from testkit import published, received

TOTAL = Money(amount_minor=2598, currency="EUR")


class Crash(Exception):
    """The process ends at this point: nothing is committed."""


class Orchestrator:
    """The orchestrator without its edges. Each message is one committed transaction."""

    def __init__(self, floor: Any, subscriptions: Subscriptions = ORCHESTRATED) -> None:
        self.floor = floor
        self.subscriptions = subscriptions

    async def place(self, **options: Any) -> UUID:
        """An order that the orchestrator has not heard of yet."""
        order_id: UUID = await self.floor.place(**options)
        return order_id

    async def placed(self, order_id: UUID) -> list[str]:
        """`OrderPlaced` arrives, as the service has published it."""
        row = (await self.floor.outbox(order_id))[0]
        return await self.hear(messages.OrderPlaced.model_validate_json(row.data))

    async def hear(self, *events: ConsumedEvent, crash: bool = False) -> list[str]:
        """Messages of one type arrive. Returns the types of what is published, without service and version."""
        handler = self.subscriptions.by_type[events[0].event_type].handler
        async with self.floor.database.transaction() as tx:
            await handler(tx, [received(event) for event in events])
            found = await published(tx)
            if crash:
                raise Crash
        return names(found)

    async def ended(self, order_id: UUID, kind: type[ConsumedEvent]) -> list[str]:
        """The event that ended the order arrives, as the service has published it."""
        row = next(r for r in await self.floor.outbox(order_id) if r.type == kind.event_type)
        return await self.hear(kind.model_validate_json(row.data))

    async def done(self, order_id: UUID, command: type[PublishedEvent]) -> list[str]:
        """A participant has carried out a command that no other event answers."""
        owner = command.topic.split(".")[1].removesuffix("-command")
        models = (messages.InventoryDone, messages.PaymentsDone, messages.NotificationsDone)
        model = next(one for one in models if one.event_type.startswith(owner))
        return await self.hear(model(order_id=order_id, command=command.event_type))

    async def paid(self) -> UUID:
        """An order whose payment was captured."""
        order_id = await self.place()
        await self.placed(order_id)
        await self.hear(messages.StockReserved(order_id=order_id))
        await self.hear(captured(order_id))
        return order_id

    async def repeat(self) -> int:
        """The job runs once. Returns how many commands it sends again."""
        return await jobs.repeat_commands(self.floor.database)

    async def let_the_timeout_pass(self) -> None:
        async with self.floor.database.transaction() as tx:
            await tx.connection.execute(
                text("UPDATE sagas SET due_at = now() - interval '1 second' WHERE due_at IS NOT NULL")
            )

    async def row(self, order_id: UUID) -> Any:
        async with self.floor.database.reading() as connection:
            return await connection.row(text("SELECT * FROM sagas WHERE order_id = :id"), {"id": order_id})


def names(events: list[PublishedEvent]) -> list[str]:
    return [event.event_type.split(".")[1] for event in events]


def captured(order_id: UUID) -> PaymentCaptured:
    return PaymentCaptured(order_id=order_id, customer_id="c-ada", amount=TOTAL)


def declined(order_id: UUID) -> PaymentDeclined:
    return PaymentDeclined(order_id=order_id, customer_id="c-ada", amount=TOTAL)


def sold_out(order_id: UUID) -> StockRejected:
    return StockRejected(order_id=order_id, shortages=(Shortage(sku="mug"),))


@pytest.fixture
def saga(floor: Any) -> Orchestrator:
    return Orchestrator(floor)


async def test_an_order_is_confirmed_step_by_step(saga: Orchestrator) -> None:
    order_id = await saga.place()
    assert await saga.placed(order_id) == ["reserve-stock"]
    assert await saga.hear(messages.StockReserved(order_id=order_id)) == ["charge-payment"]
    assert await saga.hear(captured(order_id)) == ["order-confirmed"]
    assert await saga.ended(order_id, messages.OrderConfirmed) == ["commit-stock"]
    assert await saga.done(order_id, commands.CommitStock) == ["announce-confirmation"]
    assert await saga.done(order_id, commands.AnnounceConfirmation) == []
    row = await saga.row(order_id)
    assert (row.queue, row.due_at, row.ending) == ([], None, "orders.order-confirmed.v1")
    assert (await saga.floor.row(order_id)).state == "CONFIRMED"


async def test_an_order_without_stock_is_rejected_and_nothing_is_undone(saga: Orchestrator) -> None:
    order_id = await saga.place()
    await saga.placed(order_id)
    assert await saga.hear(sold_out(order_id)) == ["order-rejected"]
    assert await saga.ended(order_id, messages.OrderRejected) == ["announce-rejection"]


async def test_a_declined_order_is_rejected_and_its_stock_is_released(saga: Orchestrator) -> None:
    order_id = await saga.place()
    await saga.placed(order_id)
    await saga.hear(messages.StockReserved(order_id=order_id))
    assert await saga.hear(declined(order_id)) == ["order-rejected"]
    assert await saga.ended(order_id, messages.OrderRejected) == ["release-stock"]
    assert await saga.done(order_id, commands.ReleaseStock) == ["announce-rejection"]


async def test_a_cancelled_order_is_compensated_in_reverse_order_and_one_at_a_time(
    saga: Orchestrator,
) -> None:
    order_id = await saga.place()
    await saga.placed(order_id)
    await saga.hear(messages.StockReserved(order_id=order_id))
    await saga.floor.cancel(order_id)
    assert await saga.ended(order_id, messages.OrderCancelled) == ["cancel-payment"]
    assert await saga.done(order_id, commands.ReleaseStock) == []
    assert await saga.done(order_id, commands.CancelPayment) == ["release-stock"]
    assert await saga.done(order_id, commands.ReleaseStock) == ["announce-cancellation"]
    refund = messages.PaymentRefunded(
        order_id=order_id, customer_id="c-ada", refunded=TOTAL, reason="customer"
    )
    assert await saga.hear(refund) == []
    assert await saga.done(order_id, commands.AnnounceCancellation) == ["announce-refund"]


async def test_an_order_past_its_deadline_is_compensated_like_any_cancelled_one(saga: Orchestrator) -> None:
    order_id = await saga.place(seconds=-1)
    await saga.placed(order_id)
    await saga.floor.sweep()
    assert await saga.ended(order_id, messages.OrderCancelled) == ["release-stock"]


async def test_an_answer_that_comes_twice_sends_nothing_more(saga: Orchestrator) -> None:
    order_id = await saga.place()
    await saga.placed(order_id)
    await saga.hear(messages.StockReserved(order_id=order_id))
    assert await saga.hear(messages.StockReserved(order_id=order_id)) == []
    assert await saga.placed(order_id) == []


async def test_a_capture_after_the_cancellation_confirms_nothing(saga: Orchestrator) -> None:
    order_id = await saga.place()
    await saga.placed(order_id)
    await saga.hear(messages.StockReserved(order_id=order_id))
    await saga.floor.cancel(order_id)
    await saga.ended(order_id, messages.OrderCancelled)
    assert await saga.hear(captured(order_id)) == []
    assert (await saga.floor.row(order_id)).state == "CANCELLED"


async def test_a_capture_before_the_cancellation_was_heard_is_compensated(saga: Orchestrator) -> None:
    order_id = await saga.place()
    await saga.placed(order_id)
    await saga.hear(messages.StockReserved(order_id=order_id))
    await saga.floor.cancel(order_id)
    assert await saga.hear(captured(order_id)) == []
    assert await saga.ended(order_id, messages.OrderCancelled) == ["cancel-payment"]
    assert await saga.done(order_id, commands.CancelPayment) == ["release-stock"]


async def test_a_crash_between_the_change_of_state_and_the_sending_has_done_neither(
    saga: Orchestrator,
) -> None:
    order_id = await saga.place()
    await saga.placed(order_id)
    before = await saga.row(order_id)
    with pytest.raises(Crash):
        await saga.hear(messages.StockReserved(order_id=order_id), crash=True)
    assert await saga.row(order_id) == before
    assert [row.type for row in await saga.floor.outbox(order_id)][-1] == "orders.reserve-stock.v1"
    assert await saga.hear(messages.StockReserved(order_id=order_id)) == ["charge-payment"]


async def test_another_process_goes_on_from_the_table(saga: Orchestrator) -> None:
    order_id = await saga.paid()
    successor = Orchestrator(saga.floor)
    assert await successor.ended(order_id, messages.OrderConfirmed) == ["commit-stock"]


async def test_a_command_without_an_answer_is_sent_again_and_an_answered_one_is_not(
    saga: Orchestrator,
) -> None:
    waiting, answered = await saga.place(), await saga.paid()
    await saga.placed(waiting)
    assert await saga.repeat() == 0
    await saga.let_the_timeout_pass()
    assert await saga.repeat() == 1
    sent = [row.type for row in await saga.floor.outbox(waiting)]
    assert sent == ["orders.order-placed.v1", *["orders.reserve-stock.v1"] * 2]
    assert (await saga.row(waiting)).sent == 2
    assert (await saga.row(answered)).sent == 0
    assert await saga.repeat() == 0


async def test_an_answer_to_a_repeated_command_counts_once(saga: Orchestrator) -> None:
    order_id = await saga.place()
    await saga.placed(order_id)
    await saga.let_the_timeout_pass()
    await saga.repeat()
    assert await saga.hear(messages.StockReserved(order_id=order_id)) == ["charge-payment"]
    assert (await saga.row(order_id)).sent == 1


async def test_many_orders_take_one_transaction(saga: Orchestrator) -> None:
    ids = [await saga.place() for _ in range(5)]
    for order_id in ids:
        await saga.placed(order_id)
    assert await saga.hear(*(messages.StockReserved(order_id=id) for id in ids)) == ["charge-payment"] * 5


async def test_the_cancellation_of_an_order_without_a_row_undoes_every_step(saga: Orchestrator) -> None:
    event = messages.OrderCancelled(
        order_id=uuid4(), customer_id="c-ada", total=TOTAL, reason="unknown_order"
    )
    assert await saga.hear(event) == ["cancel-payment"]


async def test_the_card_token_is_deleted_when_the_charge_is_answered(saga: Orchestrator) -> None:
    order_id = await saga.place()
    await saga.placed(order_id)
    await saga.hear(messages.StockReserved(order_id=order_id))
    assert "tok_ok" in str((await saga.row(order_id)).queue)
    await saga.hear(captured(order_id))
    assert "tok_ok" not in str((await saga.row(order_id)).queue)


async def test_a_saga_is_kept_in_one_row_and_steps_lock_it(saga: Orchestrator) -> None:
    order_id = await saga.place()
    await saga.placed(order_id)
    await saga.let_the_timeout_pass()
    async with saga.floor.database.transaction() as tx:
        await steps.repeat_commands(tx)
        assert await saga.repeat() == 0, "another process has locked the row"
