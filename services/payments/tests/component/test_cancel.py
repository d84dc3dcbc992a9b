"""Cancelling at any moment: nobody pays for a cancelled order, and nobody is paid back twice."""

import asyncio
import random
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from chassis.backoff import Backoff
from chassis.events import new_id
from payments import handlers, jobs
from payments.domain import Charge, Charged
from payments.processor import Processor

Floor = Any
CAPTURED, DECLINED, REFUNDED = (
    f"payments.payment-{what}.v1" for what in ("captured", "declined", "refunded")
)
REFUNDED_V2 = "payments.payment-refunded.v2"


async def claim(floor: Floor) -> Charge:
    """A process takes the one payment that is due."""
    async with floor.db.transaction() as tx:
        [charge] = await handlers.claim_charges(tx, 8, 10)
    return charge


async def record(floor: Floor, charge: Charge) -> None:
    """Ask for the charge and record the answer."""
    answer = await floor.processor.charge(charge)
    async with floor.db.transaction() as tx:
        await handlers.record_charges(tx, [(charge, answer)])


@pytest.mark.parametrize("facts", ["place", "reserve", "place reserve", "reserve place"])
async def test_before_the_processor_was_asked_a_cancellation_voids_the_payment(
    floor: Floor, facts: str
) -> None:
    order_id = new_id()
    for fact in facts.split():
        await getattr(floor, fact)(order_id)
    await floor.cancel(order_id)
    await floor.settle_everything()
    row = await floor.payment(order_id)
    assert (row.state, row.token) == ("VOIDED", None)
    assert await floor.ledger(order_id) == await floor.events(order_id) == []


async def test_a_charge_that_is_under_way_is_given_back(floor: Floor) -> None:
    order_id = await floor.due()
    charge = await claim(floor)
    [cancellation] = await floor.cancel(order_id)
    assert await floor.state(order_id) == "CANCELLING"
    await record(floor, charge)
    assert await floor.state(order_id) == "CAPTURED"
    await floor.settle_everything()
    assert await floor.state(order_id) == "REFUNDED"
    assert await floor.events(order_id) == [CAPTURED, REFUNDED_V2, REFUNDED]
    assert await floor.ledger(order_id) == ["charge", "refund"]
    assert (await floor.published(order_id))[1].causation_id == cancellation


async def test_a_charge_that_is_under_way_and_refused_needs_no_refund(floor: Floor) -> None:
    order_id = await floor.due("tok_declined")
    charge = await claim(floor)
    await floor.cancel(order_id)
    await record(floor, charge)
    await floor.settle_everything()
    assert await floor.state(order_id) == "DECLINED"
    assert await floor.events(order_id) == [DECLINED]
    assert await floor.ledger(order_id) == []


async def test_a_charge_whose_answer_was_lost_is_found_out_and_given_back(floor: Floor) -> None:
    order_id = await floor.due()
    assert isinstance(await floor.processor.charge(await claim(floor)), Charged)  # and the process dies
    await floor.cancel(order_id)
    assert await floor.settle() == 0, "the lease still holds"
    await floor.settle_everything()
    assert await floor.state(order_id) == "REFUNDED"
    assert await floor.ledger(order_id) == ["charge", "refund"]
    assert await floor.events(order_id) == [CAPTURED, REFUNDED_V2, REFUNDED]


async def test_while_the_processor_is_away_a_cancelled_payment_waits_to_be_found_out(floor: Floor) -> None:
    order_id = await floor.due()
    away = Processor("http://127.0.0.1:1", "key", 1, 4)
    await floor.settle(away)
    await floor.cancel(order_id)
    await floor.time_passes()
    await floor.settle(away)
    await away.close()
    row = await floor.payment(order_id)
    assert (row.state, row.attempts) == ("CANCELLING", 2)
    await floor.settle_everything()
    assert await floor.state(order_id) == "REFUNDED"
    assert await floor.ledger(order_id) == ["charge", "refund"]


async def test_a_captured_payment_is_given_back_once(floor: Floor) -> None:
    order_id = await floor.captured()
    await floor.cancel(order_id)
    await floor.cancel(order_id)
    refund = await floor.refund_of(order_id)
    assert (refund.state, refund.amount_minor, refund.currency) == ("PENDING", 1250, "EUR")
    await floor.settle_everything()
    assert (await floor.refund_of(order_id)).state == "REFUNDED"
    row = await floor.payment(order_id)
    assert (row.state, row.version) == ("REFUNDED", 3)
    assert await floor.events(order_id) == [CAPTURED, REFUNDED_V2, REFUNDED]
    assert await floor.ledger(order_id) == ["charge", "refund"]


async def test_a_declined_payment_has_nothing_to_give_back(floor: Floor) -> None:
    order_id = await floor.due("tok_declined")
    await floor.settle()
    await floor.cancel(order_id)
    await floor.settle_everything()
    assert await floor.state(order_id) == "DECLINED"
    assert await floor.refund_of(order_id) is None


async def test_a_crash_between_the_refund_and_its_record_refunds_once(floor: Floor) -> None:
    order_id = await floor.captured()
    await floor.cancel(order_id)
    async with floor.db.transaction() as tx:
        [refund] = await handlers.claim_refunds(tx, 8, 10)
    await floor.processor.refund(refund)
    assert await floor.refund() == 0, "the lease still holds"
    await floor.time_passes()
    assert await floor.refund() == 1
    assert await floor.ledger(order_id) == ["charge", "refund"]
    assert await floor.events(order_id) == [CAPTURED, REFUNDED_V2, REFUNDED]


async def test_a_refund_waits_for_a_processor_that_is_away(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PAUSES", Backoff(first=120, longest=120))
    order_id = await floor.captured()
    await floor.cancel(order_id)
    away = Processor("http://127.0.0.1:1", "key", 1, 4)
    assert await floor.refund(away) == 1
    await away.close()
    refund = await floor.refund_of(order_id)
    assert (refund.state, refund.attempts) == ("PENDING", 1)
    assert await floor.refund() == 0, "it is asked again without a pause"
    await floor.settle_everything()
    assert await floor.state(order_id) == "REFUNDED"


async def test_a_cancellation_wakes_the_refund(floor: Floor) -> None:
    order_id = await floor.captured()
    floor.woken.clear()
    await floor.cancel(order_id)
    assert floor.woken == [{"refund-due-payments"}]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_happens_in_whatever_order_the_money_is_conserved(floor: Floor, seed: int) -> None:
    """Facts of many orders in random order, answers that get lost, processes that die, two jobs at once."""
    chance = random.Random(seed)
    tokens = {
        new_id(): chance.choice(["tok_ok", "tok_ok", "tok_flaky", "tok_declined", "tok_no"])
        for _ in range(40)
    }
    cancelled = {order_id for order_id in tokens if chance.random() < 0.5}
    # A cancelled order may lack either fact; the others get both in the end.
    facts = [("place", order_id) for order_id in tokens if order_id not in cancelled or chance.random() < 0.8]
    facts += [
        ("reserve", order_id) for order_id in tokens if order_id not in cancelled or chance.random() < 0.8
    ]
    facts += [("cancel", order_id) for order_id in cancelled]
    chance.shuffle(facts)
    for fact, order_id in facts:
        await happen(floor, fact, order_id, tokens[order_id])
        match chance.randrange(8):
            case 0:
                await floor.time_passes()
            case 1:
                await asyncio.gather(floor.settle(), floor.settle(), floor.refund())
            case 2:  # asked, and the process dies before it records the answer
                async with floor.db.transaction() as tx:
                    charges = await handlers.claim_charges(tx, 2, 3600)
                await asyncio.gather(*map(floor.processor.charge, charges), return_exceptions=True)
    await floor.settle_everything()
    for order_id, token in tokens.items():
        ledger = await floor.ledger(order_id)
        pays = order_id not in cancelled and token in ("tok_ok", "tok_flaky")
        assert ledger in ([["charge"]] if pays else [[], ["charge", "refund"]])
        assert (await floor.state(order_id) == "CAPTURED") is pays
        told = await floor.events(order_id)
        assert told.count(CAPTURED) == ledger.count("charge")
        assert told.count(REFUNDED) == told.count(REFUNDED_V2) == ledger.count("refund")
        assert len(told) == len(set(told))


async def happen(floor: Floor, fact: str, order_id: UUID, token: str) -> None:
    if fact == "place":
        await floor.place(order_id, token)
    else:
        await getattr(floor, fact)(order_id)


async def test_a_refund_that_was_made_already_under_another_key_counts_as_made(floor: Floor) -> None:
    order_id = await floor.captured()
    await floor.cancel(order_id)
    async with floor.db.transaction() as tx:
        [refund] = await handlers.claim_refunds(tx, 8, 10)
    await floor.processor.refund(replace(refund, refund_id=new_id()))
    await floor.settle_everything()
    assert await floor.state(order_id) == "REFUNDED"
    assert await floor.ledger(order_id) == ["charge", "refund"]
    assert await floor.events(order_id) == [CAPTURED, REFUNDED_V2, REFUNDED]
