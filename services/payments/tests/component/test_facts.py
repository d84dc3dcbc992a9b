"""Facts arrive in any order, late and in batches; the tables do exactly what the domain says."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from chassis.events import new_id
from payments import db as tables
from payments import handlers
from payments.domain import FIRST, NEEDS_TOKEN, TRANSITIONS, Fact, State
from testkit import statements

Floor = Any


async def put(floor: Floor, state: State) -> UUID:
    """A payment that stands in `state`."""
    order_id = new_id()
    charged = state in (State.CAPTURED, State.REFUNDED)
    async with floor.db.transaction() as tx:
        await tx.connection.execute(
            text(
                "INSERT INTO payments (order_id, payment_id, customer_id, amount_minor, currency, token, state,"
                " due_at, charge_id, cause, deadline_at) VALUES (:order_id, :payment_id, 'c', 1, 'EUR', :token,"
                " CAST(:state AS text), CASE WHEN CAST(:claimable AS bool) THEN now() END, :charge_id,"
                """ '{"event_id": null, "correlation_id": "c", "traceparent": null}', now() - interval '1 day')"""
            ),
            {
                "order_id": order_id,
                "payment_id": new_id(),
                "token": "tok_ok" if state in NEEDS_TOKEN else None,
                "state": state.value,
                "claimable": state in TRANSITIONS[Fact.CLAIMED],
                "charge_id": "ch_1" if charged else None,
            },
        )
        if charged:
            await tx.connection.execute(
                text(
                    "INSERT INTO refunds (refund_id, payment_id, order_id, amount_minor, currency, state, due_at,"
                    """ cause) VALUES (:id, :id, :order_id, 1, 'EUR', 'PENDING', now(),"""
                    """ '{"event_id": null, "correlation_id": "c", "traceparent": null}')"""
                ),
                {"id": new_id(), "order_id": order_id},
            )
    return order_id


async def learn(floor: Floor, fact: Fact, order_ids: list[UUID]) -> None:
    match fact:
        case Fact.ORDER_PLACED:
            await floor.place_all(order_ids)
        case Fact.STOCK_RESERVED:
            await floor.reserve(*order_ids)
        case Fact.ORDER_CANCELLED:
            await floor.cancel(*order_ids)
        case _:
            async with floor.db.transaction() as tx:
                await settle(fact)(tx.connection, order_ids)


def settle(fact: Fact) -> Callable[[Any, list[UUID]], Awaitable[object]]:
    match fact:
        case Fact.CLAIMED:
            return lambda connection, order_ids: tables.claim_charges(connection, 100, 10)
        case Fact.CHARGED:
            return lambda connection, order_ids: tables.settle_charges(
                connection, [(order_id, "ch_1", None) for order_id in order_ids]
            )
        case Fact.DECLINED:
            return lambda connection, order_ids: tables.settle_charges(
                connection, [(order_id, None, "declined") for order_id in order_ids]
            )
        case Fact.REFUNDED:
            return tables.settle_refunds
        case Fact.ABANDONED:
            return lambda connection, order_ids: tables.void_abandoned_payments(connection, 0, 100)
    raise AssertionError(fact)


@pytest.mark.parametrize("fact", list(Fact))
async def test_every_fact_does_to_every_state_what_the_domain_says(floor: Floor, fact: Fact) -> None:
    before = {await put(floor, state): state for state in State}
    await learn(floor, fact, list(before))
    found = {state: await floor.state(order_id) for order_id, state in before.items()}
    assert found == {state: TRANSITIONS[fact].get(state, state) for state in State}


@pytest.mark.parametrize("fact", list(FIRST))
async def test_the_first_fact_begins_a_payment_as_the_domain_says(floor: Floor, fact: Fact) -> None:
    order_id = new_id()
    await learn(floor, fact, [order_id])
    assert await floor.state(order_id) == FIRST[fact]
    assert (await floor.payment(order_id)).version == 1


async def test_the_stock_may_be_reserved_before_the_order_is_heard_of(floor: Floor) -> None:
    order_id = new_id()
    await floor.reserve(order_id)
    assert (await floor.payment(order_id)).stock_reserved
    await floor.place(order_id)
    await floor.settle()
    assert await floor.state(order_id) == "CAPTURED"
    assert await floor.ledger(order_id) == ["charge"]


async def test_an_order_without_its_stock_is_not_charged(floor: Floor) -> None:
    order_id = await floor.place()
    assert await floor.settle() == 0
    assert await floor.state(order_id) == "OPENED"


@pytest.mark.parametrize("facts", ["place reserve", "reserve place"])
async def test_a_cancellation_that_comes_first_turns_the_late_facts_into_nothing(
    floor: Floor, facts: str
) -> None:
    order_id = new_id()
    await floor.cancel(order_id)
    for fact in facts.split():
        await getattr(floor, fact)(order_id)
    await floor.settle_everything()
    row = await floor.payment(order_id)
    assert (row.state, row.token, row.version) == ("VOIDED", None, 1)
    assert await floor.ledger(order_id) == await floor.events(order_id) == []


async def test_facts_that_come_again_change_nothing(floor: Floor) -> None:
    order_id = await floor.captured()
    await floor.place(order_id)
    await floor.reserve(order_id)
    await floor.settle_everything()
    assert await floor.events(order_id) == ["payments.payment-captured.v1"]
    assert await floor.ledger(order_id) == ["charge"]


async def test_the_fact_that_was_missing_wakes_the_job(floor: Floor) -> None:
    order_id = await floor.place()
    await floor.reserve(order_id)
    await floor.cancel(order_id)
    assert floor.woken == [set(), {"charge-due-payments"}, set()]


@pytest.mark.parametrize("skew", [timedelta(days=-1), timedelta(days=1)], ids=["behind", "ahead"])
async def test_the_clock_of_orders_decides_nothing_here(floor: Floor, skew: timedelta) -> None:
    early = await floor.place(placed_at=datetime.now(UTC) + skew)
    late = await floor.place(placed_at=datetime.now(UTC) + skew, deadline=-timedelta(hours=2))
    async with floor.db.transaction() as tx:
        assert await handlers.void_abandoned_payments(tx, 3600) == 1
    assert (await floor.state(early), await floor.state(late)) == ("OPENED", "VOIDED")


async def test_a_payment_whose_order_never_arrives_is_voided_after_an_hour(floor: Floor) -> None:
    waiting = new_id()
    await floor.reserve(waiting)
    for age, voided in ((3_599, 0), (3_601, 1)):
        async with floor.db.transaction() as tx:
            await tx.connection.rows(
                text("UPDATE payments SET opened_at = now() - make_interval(secs => :age) RETURNING 1"),
                {"age": age},
            )
            assert await handlers.void_abandoned_payments(tx, 3_600) == voided
    assert await floor.state(waiting) == "VOIDED"
    await floor.place(waiting)
    assert await floor.settle() == 0
    assert await floor.state(waiting) == "VOIDED"


async def test_a_payment_that_was_never_due_forgets_its_card_token_after_the_orders_deadline(
    floor: Floor,
) -> None:
    late = await floor.place(deadline=-timedelta(hours=2))
    live = await floor.place()
    due = await floor.due()
    async with floor.db.transaction() as tx:
        assert await handlers.void_abandoned_payments(tx, 3600) == 1
    row = await floor.payment(late)
    assert (row.state, row.token) == ("VOIDED", None)
    assert (await floor.state(live), await floor.state(due)) == ("OPENED", "DUE")


async def cost(work: Callable[[], Awaitable[object]]) -> int:
    with statements() as sent:
        await work()
    return len(sent)


async def test_a_batch_costs_as_many_statements_as_a_single_event(floor: Floor) -> None:
    costs = []
    for size in (1, 200):
        order_ids = [new_id() for _ in range(size)]
        costs.append(
            [
                await cost(lambda ids=order_ids: floor.place_all(ids)),  # type: ignore[misc]
                await cost(lambda ids=order_ids: floor.reserve(*ids)),  # type: ignore[misc]
                await cost(lambda ids=order_ids: floor.cancel(*ids)),  # type: ignore[misc]
            ]
        )
    assert costs == [[1, 1, 1]] * 2


async def test_cancelling_captured_payments_costs_one_statement_more_however_many(floor: Floor) -> None:
    for size in (1, 50):
        order_ids = [await put(floor, State.CAPTURING) for _ in range(size)]
        async with floor.db.transaction() as tx:
            await tables.settle_charges(tx.connection, [(order_id, "ch_1", None) for order_id in order_ids])
        assert await cost(lambda ids=order_ids: floor.cancel(*ids)) == 2  # type: ignore[misc]


async def test_what_was_answered_is_recorded_and_the_next_claimed_in_a_constant_number_of_statements(
    floor: Floor,
) -> None:
    costs = []
    for size in (1, 8):
        for _ in range(size):
            await floor.due()
        costs.append(await cost(floor.settle))
    # claim; record, publish, claim. With eight at once the answers may come in more than one group.
    assert costs[0] == 4
    assert costs[1] <= 1 + 3 * 8
