"""Customers: the same for the same seed, of every scenario, and patient."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shop_load.client import LoadFailed
from shop_load.closed_loop import Customers, serve_customers
from shop_load.plans import Run, Scenario, plan_run
from shop_observe.history import History, Request, pseudonym, read_histories
from shop_stack.kafka_access import KafkaAccess
from shop_stack.ports import SERVICES
from shop_stack.target import Target


@asynccontextmanager
async def shop_of(handle: Callable[[web.Request], Any], tmp_path: Path) -> AsyncIterator[Target]:
    """A shop whose every answer is made by one function: (status, body, headers)."""

    async def answer(request: web.Request) -> web.Response:
        status, body, *headers = handle(request)
        return web.json_response(body, status=status, headers=headers[0] if headers else None)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    urls = dict.fromkeys(SERVICES, url)
    try:
        yield Target("test", urls, {}, url, KafkaAccess(""), {}, tmp_path, tmp_path, tmp_path)
    finally:
        await runner.cleanup()


class Clerk:
    """Answers like orders and inventory; every `fails`th POST fails before and every one after it is well."""

    def __init__(self, trouble: list[tuple[int, dict[str, Any]]]) -> None:
        self.trouble = trouble
        self.keys: Counter[str] = Counter()

    def __call__(self, request: web.Request) -> tuple[Any, ...]:
        if request.path == "/prices":
            first = "cursor" not in request.query
            half = (
                [{"sku": sku} for sku in self.skus[:4]] if first else [{"sku": sku} for sku in self.skus[4:]]
            )
            return 200, {"prices": half, "next_cursor": "more" if first else None}
        if request.path == "/products":
            return 409, {"title": "already listed"}
        if self.trouble:
            status, headers = self.trouble.pop(0)
            return status, {"title": "trouble"}, headers
        if request.path.endswith("/cancel"):
            return 202, {}
        key = request.headers["Idempotency-Key"]
        self.keys[key] += 1
        return 202, {"order_id": f"order-of-{key}"}

    skus = ("MUG", "LAMP", "DESK", "CHAIR", "CLOCK", "PLANT", "SHELF", "STOOL", "LAST-run")


async def served(clerk: Clerk, run: Run, tmp_path: Path) -> list[Request]:
    """Serve a run's customers and return the history that they wrote."""
    async with shop_of(clerk, tmp_path) as target:
        with History(tmp_path / "history", run.name) as history:
            await serve_customers(target, run, history, Customers(concurrency=4, patience=5.0))
    return read_histories(tmp_path / "history")


def test_the_same_seed_makes_the_same_customers() -> None:
    assert plan_run("run", 50, seed=3) == plan_run("run", 50, seed=3)
    assert plan_run("run", 50, seed=3) != plan_run("run", 50, seed=4)


@pytest.mark.parametrize("orders", [1, 8, 9, 100, 300, 2_000])
def test_a_run_has_as_many_orders_as_asked_and_of_every_scenario_while_there_is_room(orders: int) -> None:
    run = plan_run("run", orders, seed=1)
    assert len(run.plans) == orders
    assert len({plan.key for plan in run.plans}) == orders
    assert len({plan.scenario for plan in run.plans}) == min(orders, len(Scenario))


def test_an_order_that_is_to_find_no_stock_asks_for_more_than_there_is() -> None:
    run = plan_run("run", 1, seed=1, only=Scenario.OUT_OF_STOCK)
    sku, quantity = run.plans[0].lines[-1]
    assert quantity > next(product.on_hand for product in run.products if product.sku == sku)


def test_an_order_that_is_to_time_out_has_a_deadline_before_its_cards_answer() -> None:
    (plan,) = plan_run("run", 1, seed=1, only=Scenario.TIMED_OUT).plans
    assert plan.body["payment_token"] == f"tok_slow_{plan.key}"
    assert plan.body["deadline_seconds"] == 1


async def test_every_request_and_answer_is_in_the_history(tmp_path: Path) -> None:
    clerk = Clerk([])
    requests = await served(clerk, plan_run("run", 40, seed=1), tmp_path)
    placed = {request.key: request.order_id for request in requests if request.operation == "place-order"}
    assert placed == {key: f"order-of-{key}" for key in clerk.keys}
    assert len(placed) == 40
    cancelled = {request.subject for request in requests if request.operation == "cancel-order"}
    assert cancelled <= set(placed.values())
    assert cancelled
    assert {request.status for request in requests} == {202, 409}


async def test_a_customer_who_posts_twice_uses_one_key(tmp_path: Path) -> None:
    clerk = Clerk([])
    await served(clerk, plan_run("run", 1, seed=1, only=Scenario.POSTED_TWICE), tmp_path)
    assert clerk.keys == {"run-0": 2}


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_trouble_is_tried_again_with_the_same_key(tmp_path: Path, status: int) -> None:
    clerk = Clerk([(status, {}), (status, {"Retry-After": "0"})])
    run = plan_run("run", 1, seed=1, only=Scenario.CONFIRMED)
    requests = await served(clerk, run, tmp_path)
    placed = [request for request in requests if request.operation == "place-order"]
    assert [request.status for request in placed] == [status, status, 202]
    assert {request.key for request in placed} == {"run-0"}
    assert {request.customer for request in placed} == {pseudonym("run", run.plans[0].customer)}


async def test_a_refusal_ends_the_run_with_the_problems_own_words(tmp_path: Path) -> None:
    clerk = Clerk([(422, {})])
    with pytest.raises(LoadFailed, match="refused with 422: trouble"):
        await served(clerk, plan_run("run", 3, seed=1, only=Scenario.CONFIRMED), tmp_path)


async def test_a_service_that_stays_away_is_named_with_the_cure(tmp_path: Path) -> None:
    run = plan_run("run", 1, seed=1)
    async with shop_of(Clerk([]), tmp_path) as target:
        pass
    with History(tmp_path / "history", "run") as history, pytest.raises(LoadFailed, match="shop status"):
        await serve_customers(target, run, history, Customers(patience=0.0))
    (request,) = read_histories(tmp_path / "history")
    assert request.status is None, "nobody knows what became of a request without an answer"


def test_a_line_that_a_kill_tore_is_passed_over(tmp_path: Path) -> None:
    with History(tmp_path, "run") as history:
        history.answered(history.asked("place-order", key="k"), 202, "o-1")
    with (tmp_path / "run.jsonl").open("a") as file:
        file.write(json.dumps({"number": 2, "asked": "place-order"})[:-4])
    assert [request.order_id for request in read_histories(tmp_path)] == ["o-1"]
