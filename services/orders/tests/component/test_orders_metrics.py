"""The business metrics of orders: ends by outcome, their age with its trace, and the orders that wait."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from chassis.events import Cause, new_id
from chassis.outbox import Database, OutboxRow, new_row
from orders import metrics
from orders.domain import CancellationReason, OrderState, RejectionReason
from orders.main import create_service
from orders.settings import Settings

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
async def measured(url: str, empty_floor: Any) -> AsyncIterator[Any]:
    """A floor whose transactions are counted, as those of the service are."""
    service = create_service(Settings(database_url=url, kafka_bootstrap_servers="127.0.0.1:1", role="api"))
    plain: Database = empty_floor.database
    empty_floor.database = service.context.database
    await empty_floor.list_products({"mug": 1299, "tea": 650})
    yield empty_floor
    await empty_floor.database.close()
    empty_floor.database = plain


def ended(outcome: OrderState, reason: str = "") -> float:
    found = REGISTRY.get_sample_value("shopfloor_orders_ended_total", {"outcome": outcome, "reason": reason})
    assert found is not None, "each outcome is there from the start"
    return found


def ages(outcome: OrderState) -> float:
    return REGISTRY.get_sample_value("shopfloor_order_age_seconds_count", {"outcome": outcome}) or 0.0


OUTCOMES = [
    (OrderState.CONFIRMED, ""),
    *((OrderState.REJECTED, reason) for reason in RejectionReason),
    *((OrderState.CANCELLED, reason) for reason in CancellationReason),
]


async def test_each_end_is_counted_once_by_its_outcome(measured: Any) -> None:
    before = {outcome: ended(*outcome) for outcome in OUTCOMES}
    placed = REGISTRY.get_sample_value("shopfloor_orders_placed_total") or 0.0
    cancelled_ages = ages(OrderState.CANCELLED)
    confirmed, unstocked, unpaid, cancelled = [await measured.place() for _ in range(4)]
    await measured.place(seconds=-1)
    await measured.confirm(confirmed)
    await measured.confirm(confirmed)
    await measured.reject_unstocked(unstocked)
    await measured.reject_unpaid(unpaid)
    await measured.cancel(cancelled)
    await measured.cancel(cancelled)
    await measured.sweep()
    await measured.confirm(new_id())
    assert {outcome: ended(*outcome) - before[outcome] for outcome in OUTCOMES} == dict.fromkeys(OUTCOMES, 1)
    assert REGISTRY.get_sample_value("shopfloor_orders_placed_total") == placed + 5
    assert ages(OrderState.CANCELLED) == cancelled_ages + 3


async def test_orders_that_wait_are_read_from_the_database(measured: Any) -> None:
    async def waiting() -> list[float | None]:
        async with measured.database.reading() as connection:
            await metrics.read_gauges(connection)
        names = (
            "shopfloor_orders_pending",
            "shopfloor_orders_late",
            "shopfloor_order_oldest_pending_seconds",
        )
        return [REGISTRY.get_sample_value(name) for name in names]

    assert await waiting() == [0, 0, 0]
    old, _ = await measured.place(), await measured.place()
    async with measured.database.transaction() as tx:
        await tx.connection.execute(
            text("UPDATE orders SET placed_at = placed_at - interval '1 minute' WHERE id = :id"), {"id": old}
        )
    number, late, oldest = await waiting()
    assert (number, late) == (2, 1)
    assert oldest is not None
    assert 60 <= oldest < 90
    await measured.confirm(old)
    assert (await waiting())[:2] == [1, 0]


def row_of(order_id: UUID) -> OutboxRow:
    cause = Cause(None, str(order_id), f"00-{TRACE}-b7ad6b7169203331-01")
    return new_row("orders.order.v1", str(order_id), "orders.order-confirmed.v1", cause, "{}")


def test_the_age_is_the_time_since_the_orders_id_was_made() -> None:
    age = metrics.seconds_since_placing(row_of(new_id()))
    assert age is not None
    assert 0 <= age < 5
    assert metrics.seconds_since_placing(row_of(uuid4())) is None


def samples() -> list[Any]:
    return [sample for metric in metrics.AGE.collect() for sample in metric.samples]


def test_the_age_has_the_trace_of_its_order() -> None:
    metrics.METRICS.count_committed([row_of(new_id())])
    exemplars = [
        sample.exemplar.labels
        for sample in samples()
        if sample.exemplar and sample.labels["outcome"] == OrderState.CONFIRMED
    ]
    assert {"trace_id": TRACE} in exemplars


def test_the_objective_is_a_bucket_of_the_age() -> None:
    bounds = {sample.labels["le"] for sample in samples() if "le" in sample.labels}
    assert str(metrics.LATE_SECONDS) in bounds
