"""Drills: orders that end too late, requests that are not answered, gauges that are old, and a red oracle."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.runbooks.drills.conftest import Runbook
from tests.runbooks.drills.shop import SKU, Shop, soon
from tests.runbooks.pages import ROOT

RED = "shopfloor_oracle_violations"


@pytest.mark.runbook("orders-late")
async def test_an_order_that_ends_too_late_is_seen_before_it_ends(runbook: Runbook, shop: Shop) -> None:
    (look,) = runbook.blocks
    await shop.kill("payments")
    order = await shop.order(deadline=600)

    async def is_late() -> None:
        assert await shop.metric("orders", "shopfloor_orders_late") == 1

    await soon(is_late)
    runbook.says(
        "An order that is late counts as bad from its sixth second, even if it never ends.",
        "how many orders are PENDING, how many of them are late, and the age of the oldest one",
    )
    shown, why = await runbook.run(look)
    assert "shopfloor_orders_pending 1.0" in shown.text
    assert "shopfloor_orders_late 1.0" in shown.text
    assert await shop.alert("ShopfloorOrderStuck") > 5
    runbook.says("| a service is stopped or does not run | [A service is down](service-down.md) |")
    assert "payments does not run" in why.text

    await shop.start("payments")
    await shop.ends(order, "CONFIRMED")
    runbook.says(
        "**It is over** when `shopfloor_orders_late` is 0.", "the deadline cancels those that pass it"
    )
    assert await shop.metric("orders", "shopfloor_orders_late") == 0


@pytest.mark.runbook("requests-unanswered")
async def test_requests_that_fail_are_counted_by_their_status(runbook: Runbook, shop: Shop) -> None:
    (look,) = runbook.blocks
    counted = "http_server_request_duration_seconds_count"
    place = {"http_request_method": "POST", "http_route": "/orders"}

    async def number(status: str) -> float:
        return await shop.metric("orders", counted, **place, http_response_status_code=status)

    accepted, failed = await number("202"), await number("503")
    await shop.order()
    assert await number("202") == accepted + 1
    await shop.kill("postgres")

    async def is_refused() -> None:
        assert (await shop.place()).status_code == 503

    await soon(is_refused)
    counts, status, ready = await runbook.run(look)
    runbook.says(
        "The first command counts the answers by status.", "If it prints nothing, orders does not run."
    )
    assert 'http_response_status_code="503"' in counts.text
    assert await number("503") > failed
    assert "stopped" in next(line for line in status.text.splitlines() if line.startswith("postgres"))
    runbook.says("| 503, and `database` is `away` | [PostgreSQL is down](postgres-down.md)")
    assert "away" in ready.json["checks"]["database"]

    await shop.start("postgres")
    await shop.is_ready(seconds=90)
    await shop.kill("orders")
    counts, *_ = await runbook.run(look)
    assert counts.text == ""
    await shop.start("orders")
    await shop.is_ready()


@pytest.mark.runbook("metrics-missing")
async def test_gauges_that_are_old_say_so(runbook: Runbook, shop: Shop) -> None:
    (look,) = runbook.blocks

    async def are_new() -> None:
        assert await shop.metric("orders", "chassis_gauges_age_seconds") < 1

    await soon(are_new)
    runbook.says("The age is 0 after each scrape that reads the database.")
    await shop.kill("postgres")

    async def are_old() -> None:
        assert await shop.alert("ShopfloorGaugesOld") > 2
        assert await shop.metric("orders", "chassis_gauges_age_seconds") > 2  # the alert is for any service

    await soon(are_old)
    runbook.says("they keep their last values meanwhile")
    age, ready, number = await runbook.run(look)
    assert float(age.text.split()[-1]) > 2
    runbook.says("| `database_background` is `away` | [PostgreSQL is down](postgres-down.md)")
    assert "away" in ready.json["checks"]["database_background"]
    assert int(number.text) > 30
    await shop.start("postgres")
    await shop.is_ready(seconds=90)
    await soon(are_new)


@asynccontextmanager
async def oracle(shop: Shop) -> AsyncIterator[None]:
    """The command that asks the oracle, until the context ends."""
    child = await asyncio.create_subprocess_exec(
        *(".venv/bin/shop", "check", "--every", "1s", "--wait", "5s"),
        cwd=ROOT,
        env=shop.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
        child.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(child.wait(), 60) == 0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def violations(shop: Shop, invariant: str) -> float:
    """What the oracle's own process says of an invariant."""
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"http://127.0.0.1:{shop.stack.ports.oracle}/metrics")).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == RED and sample.labels["invariant"] == invariant
    )


@pytest.mark.runbook("oracle-red")
async def test_a_contradiction_that_no_service_sees_is_red_until_it_is_repaired(
    runbook: Runbook, shop: Shop
) -> None:
    (look,) = runbook.blocks
    await shop.ends(await shop.order(), "CONFIRMED")
    async with oracle(shop):

        async def is_judged(count: float) -> None:
            assert await violations(shop, "stock_is_conserved") == count

        await soon(lambda: is_judged(0), 60)
        await shop.sql(
            "inventory",
            f"UPDATE products SET on_hand = on_hand - 1, sold = sold + 1 WHERE sku = '{SKU}' RETURNING 1",
        )
        await soon(lambda: is_judged(1), 60)
        runbook.says("although every service is ready")
        await shop.is_ready()
        shown, verdict = await runbook.run(look)
        assert 'shopfloor_oracle_violations{invariant="stock_is_conserved"} 1.0' in shown.text
        runbook.says("for how long each was not judged", "names each order or product, with the runbook")
        assert 'shopfloor_oracle_age_seconds{invariant="money_is_conserved"}' in shown.text
        assert f"sku {SKU}" in verdict.text
        assert "Runbook for invariant 2: docs/runbooks/dead-letters.md" in verdict.text
        runbook.says(
            "| `✗` at an invariant | [the list](README.md#an-invariant-is-red)", "it repairs no data"
        )

        await shop.sql(
            "inventory",
            f"UPDATE products SET on_hand = on_hand + 1, sold = sold - 1 WHERE sku = '{SKU}' RETURNING 1",
        )
        await soon(lambda: is_judged(0), 60)
        runbook.says(
            "**It is over** when the same invariant is judged again and holds: `shopfloor_oracle_violations` is 0."
        )
    runbook.says("| the first command prints nothing | the oracle does not run:")
    shown, _ = await runbook.run(look)
    assert shown.text == ""
