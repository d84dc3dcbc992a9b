"""Alerts of the oracle: it is red, or it does not answer."""

import asyncio
from asyncio.subprocess import DEVNULL, Process

import pytest

from tests.runbooks.drills.alerts.alarms import Drill
from tests.runbooks.drills.shop import SKU, Shop
from tests.runbooks.pages import ROOT


async def ask_the_oracle(shop: Shop) -> Process:
    """Start the command that asks the oracle again and again."""
    return await asyncio.create_subprocess_exec(
        *(".venv/bin/shop", "check", "--every", "1s", "--wait", "5s"),
        cwd=ROOT,
        env=shop.environment,
        stdin=DEVNULL,
        stdout=DEVNULL,
    )


async def end(oracle: Process) -> None:
    """End it in order, so that Prometheus reads it no more."""
    oracle.terminate()
    assert await asyncio.wait_for(oracle.wait(), 60) == 0


async def add_stock(shop: Shop, pieces: int) -> None:
    """Change the stock of the product by hand, so that it does not add up."""
    change = f"UPDATE products SET on_hand = on_hand - {pieces}, sold = sold + {pieces} WHERE sku = '{SKU}' RETURNING 1"
    await shop.sql("inventory", change)


@pytest.mark.alerts("ShopfloorOracleRed")
async def test_a_contradiction_that_no_service_sees(drill: Drill, shop: Shop) -> None:
    oracle = await ask_the_oracle(shop)
    await add_stock(shop, 1)
    await drill.fire()
    # The runbook has no command that repairs data, so the drill takes its own change back.
    await add_stock(shop, -1)
    await drill.resolve()
    await end(oracle)


@pytest.mark.alerts("ShopfloorOracleSilent")
async def test_an_oracle_that_was_killed(drill: Drill, shop: Shop) -> None:
    oracle = await ask_the_oracle(shop)
    await is_read(shop)
    oracle.kill()
    await oracle.wait()
    await drill.fire()
    oracle = await ask_the_oracle(shop)
    await drill.resolve()
    await end(oracle)


async def is_read(shop: Shop) -> None:
    """Return when the oracle's process serves its verdict."""
    port = shop.stack.ports.oracle
    command = f"curl -s --retry 30 --retry-delay 1 --retry-all-errors localhost:{port}/metrics"
    read = await shop.bash(f"{command} | grep -c ^shopfloor_oracle")
    assert read.code == 0
