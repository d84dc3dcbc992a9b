"""The charge of a saga that is one transaction: claimed for its order, made by the usual client, recorded once."""

from typing import Any

from chassis.outbox import Transaction
from payments.domain import Charged, Declined, Reason
from payments.jobs import CHARGE_JOB, charges_of_the_saga, jobs


async def test_the_handlers_of_the_saga_wake_the_job_whose_charges_they_are(floor: Any) -> None:
    calls = charges_of_the_saga(floor.processor)
    assert calls.job in jobs(floor.processor)
    await floor.due()
    assert floor.woken[-1] == {CHARGE_JOB}


async def test_the_charge_of_the_order_is_claimed_made_and_recorded(floor: Any) -> None:
    calls = charges_of_the_saga(floor.processor)
    order_id = await floor.due()
    (charge,) = await claimed(floor, calls, order_id)
    assert await floor.state(order_id) == "CAPTURING"
    outcome = await calls.outcome_of(charge)
    assert isinstance(outcome, Charged)
    await record(floor, calls, charge, outcome)
    assert await floor.state(order_id) == "CAPTURED"
    assert await floor.events(order_id) == ["payments.payment-captured.v1"]


async def test_a_declined_card_is_an_outcome(floor: Any) -> None:
    calls = charges_of_the_saga(floor.processor)
    order_id = await floor.due(token="tok_declined")
    (charge,) = await claimed(floor, calls, order_id)
    assert await calls.outcome_of(charge) == Declined(Reason.DECLINED)


async def test_a_processor_that_fails_is_asked_again_with_the_same_key(floor: Any) -> None:
    calls = charges_of_the_saga(floor.processor)
    order_id = await floor.due(token="tok_flaky")
    (charge,) = await claimed(floor, calls, order_id)
    assert isinstance(await calls.outcome_of(charge), Charged)
    assert await floor.ledger(order_id) == ["charge"]


async def test_a_due_charge_of_a_saga_that_was_lost_stays_due(floor: Any) -> None:
    calls = charges_of_the_saga(floor.processor, concurrency=1)
    lost = await floor.due()
    order_id = await floor.due()
    assert [charge.order_id for charge in await claimed(floor, calls, order_id)] == [order_id]
    assert await floor.settle() == 1
    assert [await floor.state(each) for each in (lost, order_id)] == ["CAPTURED", "CAPTURING"]


async def test_a_claimed_charge_whose_saga_was_lost_is_made_by_the_job_and_refunded(floor: Any) -> None:
    calls = charges_of_the_saga(floor.processor)
    order_id = await floor.due()
    (charge,) = await claimed(floor, calls, order_id)
    await calls.outcome_of(charge)
    await floor.settle_everything()
    await floor.cancel(order_id, reason="unknown_order")
    await floor.settle_everything()
    assert await floor.state(order_id) == "REFUNDED"
    assert await floor.ledger(order_id) == ["charge", "refund"]


async def claimed(floor: Any, calls: Any, order_id: Any) -> Any:
    async with floor.db.transaction() as tx:
        return await calls.claim(tx, {str(order_id)})


async def record(floor: Any, calls: Any, charge: Any, outcome: Any) -> None:
    tx: Transaction
    async with floor.db.transaction() as tx:
        await calls.queue.record(tx, [(charge, outcome)])
