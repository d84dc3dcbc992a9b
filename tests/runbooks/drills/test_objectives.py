"""Drills: orders that end too late, requests that are not answered, and gauges that are old."""

import pytest

from tests.runbooks.drills.conftest import Runbook
from tests.runbooks.drills.shop import Shop, soon


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
