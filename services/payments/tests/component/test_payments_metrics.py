"""The business metrics of payments: calls of the processor by their answer, results, and work that is open."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from payments import metrics
from payments.metrics import METRICS
from payments.processor import Processor

CALLS = [
    ("charges", "charged"),
    ("charges", "declined"),
    ("charges", "unavailable"),
    ("refunds", "refunded"),
    ("refunds", "unavailable"),
]


def calls() -> dict[tuple[str, str], float]:
    found = {}
    for call, answer in CALLS:
        labels = {"call": call, "answer": answer}
        found[call, answer] = REGISTRY.get_sample_value("shopfloor_processor_calls_total", labels) or 0.0
    return found


async def test_each_call_is_counted_by_its_answer(floor: Any) -> None:
    before = calls()
    order_id = await floor.captured()
    await floor.due(token="tok_declined")
    await floor.settle()
    await floor.cancel(order_id)
    await floor.refund()
    away = Processor("http://127.0.0.1:1", "key", 1.0, connections=1)
    await floor.due()
    await floor.settle(away)
    await floor.cancel(await floor.captured())
    await floor.refund(away)
    await away.close()
    after = calls()
    made = {call: after[call] - before[call] for call in CALLS}
    assert made == {
        ("charges", "charged"): 2,
        ("charges", "declined"): 1,
        ("charges", "unavailable"): 1,
        ("refunds", "refunded"): 1,
        ("refunds", "unavailable"): 1,
    }


async def test_each_result_is_counted_by_its_event(floor: Any) -> None:
    def results() -> dict[str, float]:
        names = ("captured", "declined", "refunded")
        return {
            name: REGISTRY.get_sample_value("shopfloor_payments_total", {"result": name}) or 0.0
            for name in names
        }

    before = results()
    order_id = await floor.captured()
    await floor.cancel(order_id)
    await floor.refund()
    METRICS.count_committed(await floor.published(order_id))
    assert {name: number - before[name] for name, number in results().items()} == {
        "captured": 1,
        "declined": 0,
        "refunded": 1,
    }


async def test_charges_and_refunds_that_are_open_are_read_with_their_age(floor: Any) -> None:
    async def opened() -> list[float | None]:
        async with floor.db.reading() as connection:
            await metrics.read_gauges(connection)
        return [
            REGISTRY.get_sample_value("chassis_intents_open", {"queue": queue}) for queue in METRICS.queues
        ]

    assert await opened() == [0, 0]
    order_id = await floor.captured()
    await floor.cancel(order_id)
    await floor.due()
    assert await opened() == [1, 1]
    await floor.settle_everything()
    assert await opened() == [0, 0]


@pytest.mark.parametrize("call", CALLS)
def test_each_answer_begins_at_0(call: tuple[str, str]) -> None:
    labels = dict(zip(("call", "answer"), call, strict=True))
    assert REGISTRY.get_sample_value("shopfloor_processor_calls_total", labels) is not None
