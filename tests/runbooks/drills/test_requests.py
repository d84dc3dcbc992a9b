"""Drills: requests are refused, and the list of runbooks itself."""

import asyncio

import pytest

from tests.runbooks.drills.conftest import Runbook
from tests.runbooks.drills.faults import product
from tests.runbooks.drills.shop import SKU, Shop, assert_said, soon


@pytest.mark.runbook("README")
async def test_every_runbook_ends_with_a_check_that_succeeds(runbook: Runbook, shop: Shop) -> None:
    (check,) = runbook.blocks
    order = await shop.order()
    verdict = await runbook.run_one(check)
    runbook.says("It first waits until pending orders have ended.")
    assert await shop.state_of(order) == "CONFIRMED"
    assert "invariant" in verdict.text
    runbook.says("run `shop doctor`: it names the missing part and how to fix it")
    assert (await shop.bash(".venv/bin/shop doctor")).code == 0


@pytest.mark.runbook("overload")
async def test_orders_are_refused_while_too_many_are_pending(runbook: Runbook, shop: Shop) -> None:
    (look,) = runbook.blocks
    await shop.restart("orders", ORDERS_MAX_PENDING="1")
    await shop.is_ready()
    await shop.kill("payments")
    accepted = await shop.order()

    async def is_refused() -> None:
        refused = await shop.place()
        assert refused.status_code == 429
        assert refused.json()["type"].endswith(":overloaded")
        assert "retry-after" in refused.headers

    runbook.says(
        "`POST /orders` answers 429 `overloaded`",
        "The service `orders` refuses new orders with 429 and `Retry-After` while `ORDERS_MAX_PENDING` orders (5,000)",
    )
    await soon(is_refused)
    metrics, status = await runbook.run(look)
    assert float(metrics.text.split()[-1]) >= 1
    assert await shop.alert("ShopfloorRefusesWork") >= 1
    runbook.says("If a part is stopped or not ready, follow its [runbook](README.md)", "# is everything up?")
    assert "stopped" in next(line for line in status.text.splitlines() if line.startswith("payments"))
    runbook.says("Accepted orders are handled as before, and orders can be read.")
    assert await shop.state_of(accepted) == "PENDING"

    runbook.says("The pending orders end without action when that part is back.")
    await shop.start("payments")
    await shop.ends(accepted, "CONFIRMED")
    runbook.says("New orders are accepted a quarter of a second after enough pending ones have ended.")

    async def is_accepted() -> None:
        assert (await shop.place()).status_code == 202

    await soon(is_accepted)
    await shop.restart("orders")
    await shop.is_ready()


@pytest.mark.runbook("slow-clients")
async def test_slow_and_too_many_clients_are_answered_and_cut_off(runbook: Runbook, shop: Shop) -> None:
    look, restart = runbook.blocks
    port = shop.stack.ports.service("orders")
    slow = asyncio.create_task(answer_to(port, b"POST /orders HTTP/1.1\r\nHost: shop\r\n"))
    large = b"GET /prices HTTP/1.1\r\nHost: shop\r\nx-large: " + b"a" * 40_000 + b"\r\n\r\n"
    runbook.says("| 431 | headers too large | 32 KiB |")
    assert_said(await answer_to(port, large), [" 431 ", "headers-too-large"])
    runbook.says("| 413 | body too large | `MAX_BODY_BYTES` |")
    assert (await shop.ask("orders", "POST", "/orders", content=b" " * 70_000)).status_code == 413
    runbook.says("| 408 | headers or body did not arrive in time | 10 s each; body: `BODY_SECONDS` |")
    assert_said(await slow, [" 408 ", "request-timeout"])

    runbook.says("| plain 503 | too many connections to this process | `HTTP_MAX_CONNECTIONS` (2,000) |")
    await shop.restart("orders", HTTP_CALLER_BURST="1", HTTP_CALLER_RATE="0.01")
    await shop.is_ready()
    runbook.says(
        "| 429 `too-many-requests` | one caller sends too many requests; other callers are answered |"
    )
    assert (await shop.place()).status_code == 202
    limited = await shop.place()
    assert_said(f" {limited.status_code} {limited.text}", [" 429 ", "too-many-requests"])
    assert "retry-after" in limited.headers
    metrics = await shop.manage("orders", "GET", "/metrics")
    assert_said(metrics.text, ["chassis_requests_limited_total 1.0"])

    await shop.restart("orders", HTTP_MAX_CONNECTIONS="3")
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    refused = await shop.ask("orders", "GET", "/prices")
    assert (refused.status_code, refused.text) == (503, "Service Unavailable")
    connections, limit = await runbook.run(look)
    runbook.says("The first command shows connections per client address.")
    assert connections.text.split() == ["3", "127.0.0.1"]
    assert "concurrency limit" in limit.text
    for _, writer in idle:
        writer.close()
        await writer.wait_closed()

    await runbook.run_one(restart)
    (over,) = await runbook.run(
        "curl -s -o /dev/null -w '%{http_code}\\n' localhost:18001/prices"
        ' -H "Authorization: Bearer $(.venv/bin/shop token c-ada)"'
    )
    assert over.text == "200\n"


async def answer_to(port: int, sent: bytes) -> str:
    """What is answered to these bytes until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        return (await asyncio.wait_for(reader.read(4_000), 30)).decode()
    finally:
        writer.close()


@pytest.mark.runbook("catalogue-missing")
async def test_a_lost_catalogue_is_published_again(runbook: Runbook, shop: Shop) -> None:
    look, republish, over = runbook.blocks
    await shop.ask("inventory", "POST", "/products", json=product("LOST"))

    async def is_listed() -> None:
        assert "LOST" in {price["sku"] for price in (await shop.get("orders", "/prices"))["prices"]}

    await soon(is_listed)
    await shop.sql("orders", f"DELETE FROM prices WHERE sku = '{SKU}'")
    runbook.says("`POST /orders` answers 503 `price-list-missing`, or 422 `unknown-sku`")
    unknown = await shop.place()
    assert (unknown.status_code, unknown.json()["type"].rpartition(":")[2]) == (422, "unknown-sku")
    await shop.sql("orders", "DELETE FROM prices")
    missing = await shop.place()
    assert (missing.status_code, missing.json()["type"].rpartition(":")[2]) == (503, "price-list-missing")

    kept, copied, status = await runbook.run(look, {"products/SKU": f"products/{SKU}"})
    runbook.says("# inventory: the current price and version")
    assert kept.json["price"]["amount_minor"] == 1290
    assert copied.json["prices"] == []
    assert status.code == 0

    answer = await runbook.run_one(republish)
    runbook.says("Repeating the command is safe.")
    await runbook.run_one(republish)
    runbook.says("**It is over** when `finished_at` is set and the reader shows the versions of inventory")

    async def is_over() -> None:
        republication, prices = await runbook.run(
            over, {"republications/ID": f"republications/{answer.json['id']}"}
        )
        assert republication.json["finished_at"] is not None
        versions = {price["sku"]: price["version"] for price in prices.json["prices"]}
        assert versions[SKU] == kept.json["version"]
        assert "LOST" in versions

    await soon(is_over, 30)
    await shop.ends(await shop.order(), "CONFIRMED")
