"""A real Prometheus beside a real shop: alerts fire while a service is dead or the oracle is red, and then resolve."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx
import pytest

from shop_load.catalogue import ensure_catalogue
from shop_load.closed_loop import Customers, serve_customers
from shop_load.plans import Scenario, plan_run
from shop_observe.history import History
from shop_stack import embedded, monitoring
from shop_stack.loops import in_own_loop
from shop_stack.stack import Stack
from shop_stack.target import Target
from testkit import eventually
from testkit.shops import running_shop

FIRES, RESOLVES = 120.0, 240.0
"""Seconds, at the scale for practice."""


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Stack, Target]]:
    """A shop with Prometheus. It ends before the shop's folder is deleted."""
    with running_shop("prometheus") as (stack, target):
        in_own_loop(monitoring.start(stack))
        yield stack, target
        in_own_loop(monitoring.stop(stack))


async def asked(stack: Stack, path: str, **query: str) -> Any:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://127.0.0.1:{stack.ports.prometheus}/api/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


async def firing(stack: Stack) -> set[str]:
    """The names of the alerts that fire now."""
    alerts = (await asked(stack, "alerts"))["alerts"]
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


async def test_all_rules_are_loaded_and_no_alert_fires_in_a_shop_that_is_whole(
    shop: tuple[Stack, Target],
) -> None:
    stack, _ = shop
    groups = (await asked(stack, "rules"))["groups"]
    assert sum(len(group["rules"]) for group in groups) > 60

    async def all_are_scraped() -> None:
        assert len((await asked(stack, "query", query="up == 1"))["result"]) == len(stack.services)

    await eventually(all_are_scraped, 60)

    async def evaluated_without_error() -> None:
        rules = [rule for group in (await asked(stack, "rules"))["groups"] for rule in group["rules"]]
        assert {
            (rule["name"], rule.get("lastError", "")) for rule in rules if rule["health"] != "ok"
        } == set()

    await eventually(evaluated_without_error, 60)
    assert await firing(stack) == set()


async def test_the_alerts_of_a_dead_service_fire_and_resolve(shop: tuple[Stack, Target]) -> None:
    stack, target = shop
    await ensure_catalogue(target)
    await embedded.kill(stack, "payments")
    run = plan_run("prometheus", 3, seed=1, only=Scenario.CONFIRMED)
    with History(target.state / "history", run.name) as history:

        async def order() -> None:
            await serve_customers(target, run, history, Customers(3))

        await order()
    expected = {"ShopfloorOrdersMissObjective", "ShopfloorServiceAway", "ShopfloorOrderStuck"}

    async def all_fire() -> None:
        assert await firing(stack) >= expected

    await eventually(all_fire, FIRES)
    await embedded.start(stack, "payments")

    async def pages_have_resolved() -> None:
        alerts = (await asked(stack, "alerts"))["alerts"]
        critical = {one["labels"]["alertname"] for one in alerts if one["labels"]["severity"] == "critical"}
        assert critical & expected == set()

    await eventually(pages_have_resolved, RESOLVES)


async def ask_the_oracle(stack: Stack) -> Process:
    """Start the command that asks the oracle."""
    own = {"SHOP_STATE": str(stack.state), "SHOP_PORT_BASE": str(stack.ports.base)}
    command = (sys.executable, "-m", "shop", "check", "--every", "1s", "--wait", "5s")
    return await asyncio.create_subprocess_exec(*command, env=os.environ | own, stdin=DEVNULL, stdout=DEVNULL)


async def sell_by_hand(target: Target, pieces: int) -> None:
    """Count pieces of each product as sold that no order has. PostgreSQL's constraint holds, and the oracle sees it."""
    database = await asyncpg.connect(target.database_urls["inventory"])
    try:
        await database.execute("UPDATE products SET on_hand = on_hand - $1, sold = sold + $1", pieces)
    finally:
        await database.close()


async def test_a_violation_that_no_service_sees_rings_and_so_does_an_oracle_that_was_killed(
    shop: tuple[Stack, Target],
) -> None:
    stack, target = shop
    await ensure_catalogue(target)

    async def fires(name: str, does: bool = True) -> None:
        assert (name in await firing(stack)) is does

    process = await ask_the_oracle(stack)
    try:
        await sell_by_hand(target, 1)
        await eventually(lambda: fires("ShopfloorOracleRed"), FIRES)
        await sell_by_hand(target, -1)
        await eventually(lambda: fires("ShopfloorOracleRed", does=False), FIRES)
        process.kill()
        await process.wait()
        await eventually(lambda: fires("ShopfloorOracleSilent"), FIRES)
        assert "ShopfloorServiceAway" not in await firing(stack)

        process = await ask_the_oracle(stack)
        await eventually(lambda: fires("ShopfloorOracleSilent", does=False), FIRES)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 60) == 0

        async def is_no_longer_read() -> None:
            assert "oracle" not in await read_programs(stack)

        await eventually(is_no_longer_read, FIRES)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def read_programs(stack: Stack) -> set[str]:
    """The programs that Prometheus reads, by their label."""
    result = (await asked(stack, "query", query="up"))["result"]
    return {series["metric"]["shop_service"] for series in result}
