"""Orders beside a slow card: which of them count as ended in time, and what the one customer orders."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shop_lab import trial
from shop_lab.compare import slow_card
from shop_load.open_loop import Sent
from shop_load.plans import Plan


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that each of five orders takes, which are due every second. A test fills it."""
    seconds: list[float] = []

    async def send(testbed: Any, orders: int, rate: float) -> Sent:
        return Sent(orders={str(number): 100.0 + number for number in range(5)})

    async def confirmations(*_: Any) -> dict[str, float]:
        return {str(number): 100.0 + number + wait for number, wait in enumerate(seconds)}

    async def come_to_rest(*_: Any) -> None:
        pass

    @asynccontextmanager
    async def slow_orders(_: Any) -> AsyncIterator[None]:
        yield

    monkeypatch.setattr(trial, "send", send)
    monkeypatch.setattr(trial, "confirmations", confirmations)
    monkeypatch.setattr(slow_card, "come_to_rest", come_to_rest)
    monkeypatch.setattr(slow_card, "slow_orders", slow_orders)
    return seconds


async def test_orders_count_that_end_while_others_still_arrive(waits: list[float]) -> None:
    waits += [0.5, 0.5, 0.5, 9.0, 9.0]
    found: Any = await slow_card.beside(None, 1)  # type: ignore[arg-type]  # nothing reads it
    assert found == {"slow_card_per_second": 3 / 4, "slow_card_p50_ms": 500.0}


async def test_the_median_is_that_of_all_orders(waits: list[float]) -> None:
    waits += [9.0, 2.0, 9.0, 1.0, 9.0]
    found: Any = await slow_card.beside(None, 1)  # type: ignore[arg-type]  # nothing reads it
    assert found["slow_card_p50_ms"] == 9000.0


async def test_one_customer_pays_slowly_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[Plan] = []

    async def place(shop: Any, plan: Plan) -> None:
        plans.append(plan)
        if len(plans) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(slow_card, "place", place)
    with pytest.raises(asyncio.CancelledError):
        await slow_card.order_slowly(None, "run")  # type: ignore[arg-type]  # nothing reads it
    assert [plan.body["payment_token"] for plan in plans] == [
        f"tok_slow_run-{number}" for number in (1, 2, 3)
    ]
    assert {(plan.customer, plan.cancel_after, "deadline_seconds" in plan.body) for plan in plans} == {
        (plans[0].customer, None, False)
    }
