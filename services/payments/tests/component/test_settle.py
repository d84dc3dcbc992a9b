"""Charging: once per payment, whatever the card processor, a crash or another replica does."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import structlog.testing
from prometheus_client import REGISTRY
from sqlalchemy import text

from chassis.backoff import Backoff
from chassis.events import Cause, Envelope, new_id
from chassis.observability import outages
from chassis.outbox import Database
from payments import handlers, jobs, metrics
from payments.domain import Charged
from payments.events import StockReserved
from payments.processor import Processor
from processor.cards import flaky_does_it_first
from testkit import eventually

Floor = Any
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
FOREVER = 3600.0


async def test_a_due_payment_is_charged_once_and_published(floor: Floor) -> None:
    order_id = await floor.due()
    assert await floor.settle() == 1
    assert await floor.settle() == 0
    row = await floor.payment(order_id)
    assert (row.state, row.token, row.attempts, row.version) == ("CAPTURED", None, 1, 2)
    assert await floor.events(order_id) == ["payments.payment-captured.v1"]
    assert await floor.ledger(order_id) == ["charge"]


async def test_what_is_published_continues_the_trace_of_the_fact_that_made_it_due(floor: Floor) -> None:
    order_id = await floor.place()
    cause = Cause(new_id(), str(order_id), TRACEPARENT)
    fact = StockReserved(order_id=order_id)
    reserved = Envelope(
        new_id(), "/inventory", fact.event_type, str(order_id), datetime.now(UTC), fact, cause
    )
    async with floor.db.transaction() as tx:
        await handlers.note_stock_reserved(tx, [reserved])
    await floor.settle()
    [row] = await floor.published(order_id)
    assert row.causation_id == cause.event_id
    assert (row.correlation_id, row.traceparent) == (str(order_id), TRACEPARENT)


@pytest.mark.parametrize(
    ("token", "reason"), [("tok_declined", "declined"), ("tok_nonsense", "unknown_token")]
)
async def test_a_refused_card_declines_the_payment(floor: Floor, token: str, reason: str) -> None:
    order_id = await floor.due(token)
    await floor.settle_everything()
    row = await floor.payment(order_id)
    assert (row.state, row.reason, row.token, row.charge_id) == ("DECLINED", reason, None, None)
    assert await floor.events(order_id) == ["payments.payment-declined.v1"]
    assert await floor.ledger(order_id) == []


async def due_and_flaky(floor: Floor, does_it_first: bool) -> UUID:
    """A payment on the flaky card, whose key makes the processor fail in the given way."""
    payment_id = next(key for key in iter(new_id, None) if flaky_does_it_first(str(key)) is does_it_first)
    order_id: UUID = await floor.due("tok_flaky")
    async with floor.db.transaction() as tx:
        await tx.connection.execute(
            text("UPDATE payments SET payment_id = :payment_id WHERE order_id = :order_id"),
            {"payment_id": payment_id, "order_id": order_id},
        )
    return order_id


@pytest.mark.parametrize(
    ("does_it_first", "ledger"),
    [(False, []), (True, ["charge"])],
    ids=["nothing was done", "it was done and the answer lost"],
)
async def test_an_unanswered_charge_is_asked_for_again_later_and_made_once(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, does_it_first: bool, ledger: list[str]
) -> None:
    monkeypatch.setattr(jobs, "PAUSES", Backoff(first=120, longest=120))
    order_id = await due_and_flaky(floor, does_it_first)
    assert await floor.settle() == 1
    row = await floor.payment(order_id)
    assert (row.state, row.attempts) == ("CAPTURING", 1)
    assert await floor.ledger(order_id) == ledger
    assert await floor.settle() == 0, "it is asked again without a pause"
    await floor.settle_everything()
    row = await floor.payment(order_id)
    assert (row.state, row.attempts) == ("CAPTURED", 3)
    assert await floor.ledger(order_id) == ["charge"]
    assert await floor.events(order_id) == ["payments.payment-captured.v1"]


async def test_a_payment_that_a_restored_database_lacks_is_charged_with_the_same_key(floor: Floor) -> None:
    token = f"tok_ok_{new_id()}"  # it pays for one charge
    order_id = await floor.due(token)
    assert await floor.settle() == 1
    before = await floor.payment(order_id)
    async with floor.db.transaction() as tx:
        await tx.connection.execute(
            text("DELETE FROM payments WHERE order_id = :order_id"), {"order_id": order_id}
        )
    await floor.reserve(order_id)  # the events come again, in another order
    await floor.place(order_id, token)
    assert await floor.settle() == 1
    after = await floor.payment(order_id)
    assert (after.state, after.payment_id, after.charge_id) == (
        "CAPTURED",
        before.payment_id,
        before.charge_id,
    )
    assert await floor.ledger(order_id) == ["charge"]


async def test_a_crash_between_the_charge_and_its_record_charges_once(floor: Floor) -> None:
    order_id = await floor.due()
    async with floor.db.transaction() as tx:
        [charge] = await handlers.claim_charges(tx, 8, 10)
    assert isinstance(await floor.processor.charge(charge), Charged)
    assert await floor.settle() == 0, "the lease still holds"
    await floor.time_passes()
    assert await floor.settle() == 1
    assert await floor.state(order_id) == "CAPTURED"
    assert await floor.ledger(order_id) == ["charge"]
    assert await floor.events(order_id) == ["payments.payment-captured.v1"]


async def test_an_answer_that_comes_after_its_lease_is_recorded_once(floor: Floor) -> None:
    order_id = await floor.due()
    async with floor.db.transaction() as tx:
        [charge] = await handlers.claim_charges(tx, 8, 10)
    answer = await floor.processor.charge(charge)
    await floor.settle_everything()
    async with floor.db.transaction() as tx:
        await handlers.record_charges(tx, [(charge, answer)])
    assert await floor.events(order_id) == ["payments.payment-captured.v1"]
    assert (await floor.payment(order_id)).version == 2


async def test_a_slow_card_holds_up_nobody_and_the_end_of_the_process_gives_it_to_the_next(
    floor: Floor,
) -> None:
    slow = await floor.due("tok_slow")
    job = asyncio.create_task(floor.settle())

    async def is_captured(order_id: UUID) -> None:
        assert await floor.state(order_id) == "CAPTURED"

    async def is_asked(order_id: UUID) -> None:
        assert await floor.ledger(order_id) == ["charge"]

    await eventually(lambda: is_asked(slow))
    for _ in range(3):
        later = await floor.due()
        await eventually(lambda order_id=later: is_captured(order_id))  # type: ignore[misc]
    assert await floor.state(slow) == "CAPTURING"
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job

    async def next_process_has_captured_it() -> None:
        await floor.settle()
        await is_captured(slow)

    await eventually(next_process_has_captured_it)
    assert await floor.ledger(slow) == ["charge"]


async def test_replicas_share_the_work_and_charge_everybody_once(floor: Floor) -> None:
    order_ids = [new_id() for _ in range(60)]
    await floor.place_all(order_ids)
    await floor.reserve(*order_ids)
    other = Database(floor.url)
    asked = await asyncio.gather(floor.settle(), type(floor).settle(with_db(floor, other)))
    await other.close()
    assert sum(asked) == 60
    for order_id in order_ids:
        assert await floor.events(order_id) == ["payments.payment-captured.v1"]
        assert await floor.ledger(order_id) == ["charge"]


def with_db(floor: Floor, db: Database) -> Floor:
    return type(floor)(floor.url, db, floor.cards, floor.processor)


async def test_a_processor_that_is_away_loses_nothing(floor: Floor) -> None:
    order_id = await floor.due()
    away = Processor("http://127.0.0.1:1", "key", 1, 4)
    for attempts in (1, 2, 3):
        await floor.time_passes()
        assert await floor.settle(away) == 1
        row = await floor.payment(order_id)
        assert (row.state, row.attempts) == ("CAPTURING", attempts)
    await away.close()
    await floor.settle_everything()
    assert await floor.state(order_id) == "CAPTURED"


async def test_a_request_that_times_out_is_asked_for_again_and_charged_once(
    floor: Floor, card_processor: str
) -> None:
    # Long enough that a busy machine answers the fast one meanwhile; the slow one's first answer never comes.
    impatient = Processor(card_processor, "merchants-key", 2.0, 4)
    slow, fast = await floor.due("tok_slow"), await floor.due()
    await floor.settle(impatient)
    await impatient.close()
    assert (await floor.state(slow), await floor.state(fast)) == ("CAPTURING", "CAPTURED")
    await floor.time_passes()
    await floor.settle()
    assert (await floor.payment(slow)).attempts == 2
    assert await floor.state(slow) == "CAPTURED"


async def test_no_card_token_is_logged_or_kept(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    logged = structlog.testing.LogCapture()
    monkeypatch.setattr(jobs, "log", structlog.wrap_logger(None, processors=[logged]))
    flaky = await floor.due("tok_flaky")
    unknown = await floor.due("tok_of_ada")
    await floor.settle_everything()
    assert [entry["event"] for entry in logged.entries] == ["charge.unanswered"] * 2
    assert "tok_" not in str(logged.entries)
    for order_id in (flaky, unknown):
        assert "tok_" not in str(await floor.payment(order_id))
        assert "tok_" not in str(await floor.published(order_id))


async def test_a_processor_that_accepts_and_never_answers_is_one_outage_and_no_charge_is_lost(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)

    logged = structlog.testing.LogCapture()
    monkeypatch.setattr(outages, "log", structlog.wrap_logger(None, processors=[logged]))
    mute = await asyncio.start_server(accept, "127.0.0.1", 0)
    processor = Processor(f"http://127.0.0.1:{mute.sockets[0].getsockname()[1]}", "key", 0.2, 4)
    orders = [await floor.due() for _ in range(5)]
    async with asyncio.timeout(20):
        await floor.settle(processor)
    await processor.close()
    mute.close()
    for writer in taken:
        writer.transport.abort()
    began = [entry for entry in logged.entries if entry["event"] == "outage.began"]
    assert [entry["dependency"] for entry in began] == ["card-processor"]
    await floor.time_passes()
    await floor.settle()
    assert [await floor.state(order) for order in orders] == ["CAPTURED"] * 5


async def test_one_charge_that_cannot_be_recorded_leaves_the_others_recorded_and_is_tried_alone(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_ids = [await floor.due() for _ in range(5)]
    bad = order_ids[2]
    record = handlers.record_charges

    async def fails_with_the_bad_one(tx: Any, answers: Any) -> None:
        if bad in {charge.order_id for charge, _ in answers}:
            raise ValueError("the event is too large for Kafka")
        await record(tx, answers)

    monkeypatch.setattr(handlers, "record_charges", fails_with_the_bad_one)
    assert await floor.settle() == 5
    states = [await floor.state(order_id) for order_id in order_ids]
    assert states == ["CAPTURED", "CAPTURED", "CAPTURING", "CAPTURED", "CAPTURED"]
    monkeypatch.setattr(handlers, "record_charges", record)
    await floor.settle_everything()
    assert await floor.state(bad) == "CAPTURED"
    for order_id in order_ids:
        assert await floor.ledger(order_id) == ["charge"]
        assert await floor.events(order_id) == ["payments.payment-captured.v1"]


async def test_a_charge_that_the_processor_does_not_understand_is_not_declined(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await floor.due(token="t" * 201)  # more than the processor's API takes: 422
    assert await floor.settle() == 1
    assert await floor.state(order_id) == "CAPTURING"
    assert await floor.events(order_id) == []


async def test_the_age_of_the_oldest_charge_that_is_due_is_measured(floor: Floor) -> None:
    async def due() -> tuple[float, float]:
        async with floor.db.reading() as connection:
            await metrics.read_gauges(connection)
        return tuple(
            REGISTRY.get_sample_value(f"chassis_intents_{name}", {"queue": "charges"}) or 0.0
            for name in ("open", "oldest_seconds")
        )  # type: ignore[return-value]

    assert await due() == (0, 0)
    order_id = await floor.due()
    async with floor.db.transaction() as tx:
        await tx.connection.execute(text("UPDATE payments SET opened_at = now() - interval '1 hour'"))
    number, age = await due()
    assert number == 1
    assert 3_600 <= age < 3_700
    await floor.settle()
    assert await due() == (0, 0)
    assert await floor.state(order_id) == "CAPTURED"
