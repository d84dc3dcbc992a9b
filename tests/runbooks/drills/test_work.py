"""Drills: work outside of the shop waits or fails, and a rebuild does not end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shop_stack.ports import free_port
from tests.runbooks.drills.conftest import Runbook
from tests.runbooks.drills.mail import mail_server
from tests.runbooks.drills.shop import Shop, assert_said, soon


@asynccontextmanager
async def processor_that_understands_nothing(port: int) -> AsyncIterator[None]:
    """It answers 400 to every request."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", port):
        yield


async def letters_of(shop: Shop, order: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await shop.get("notifications", f"/notifications?order_id={order}"))[
        "notifications"
    ]
    return found


@pytest.mark.runbook("outside-work-waits")
async def test_charges_and_messages_that_wait_are_seen_and_settle(runbook: Runbook, shop: Shop) -> None:
    (look,) = runbook.blocks
    await shop.restart("notifications", SMTP_URL=f"smtp://127.0.0.1:{free_port()}")
    await shop.is_ready()
    told_late = await shop.order()
    await shop.ends(told_late, "CONFIRMED")
    await shop.kill("processor")
    async with processor_that_understands_nothing(shop.stack.ports.processor):
        order = await shop.order(deadline=600)

        async def waits() -> None:
            assert await shop.metric("payments", "chassis_intents_oldest_seconds", queue="charges") > 0
            assert await shop.metric("notifications", "chassis_intents_oldest_seconds", queue="letters") > 0
            assert await shop.alert("ShopfloorOutsideWorkWaits") > 0

        runbook.says("`chassis_intents_oldest_seconds` of a queue (`charges`, `refunds`, `letters`) grows")
        await soon(waits, 40)
        await shop.logs("payments", "charge.unanswered")
        charges, letters, log, payment, messages = await runbook.run(look, {"ORDER_ID": order})
    assert_said(charges.text, ['queue="charges"', 'queue="refunds"'])
    assert 'queue="letters"' in letters.text
    runbook.says("| `the card processor answered 400` or `422` for one order |")
    assert_said(log.text, ["charge.unanswered", "the card processor answered 400", order])
    assert payment.json["attempts"] >= 1
    runbook.says("# last_error of each message that is PENDING")
    pending = [message for message in messages.json["notifications"] if message["state"] == "PENDING"]
    assert told_late in {message["order_id"] for message in pending}
    assert all(message["last_error"] for message in pending if message["order_id"] == told_late)

    await shop.start("processor")
    runbook.says("then the payment completes without action")
    await shop.ends(order, "CONFIRMED")
    await shop.restart("notifications")

    async def is_over() -> None:
        for service in ("payments", "notifications"):
            assert await shop.metric(service, "chassis_intents_oldest_seconds") == 0
        assert {letter["state"] for letter in await letters_of(shop, told_late)} == {"SENT"}

    runbook.says("**It is over** when the age is back to 0.")
    await soon(is_over, 60)


@pytest.mark.runbook("failed-messages")
async def test_messages_that_have_failed_are_sent_again(runbook: Runbook, shop: Shop) -> None:
    look, retry = runbook.blocks
    async with mail_server() as mail:
        await shop.restart("notifications", SMTP_URL=f"smtp://127.0.0.1:{mail.port}")
        await shop.is_ready()
        order = await shop.order()
        await shop.ends(order, "CONFIRMED")

        async def has_failed() -> None:
            (letter,) = await letters_of(shop, order)
            assert letter["state"] == "FAILED"
            assert await shop.metric("notifications", "chassis_items_failed", kind="notification") > 0
            assert await shop.alert("ShopfloorMessagesFailed") > 0

        await soon(has_failed, 40)
        runbook.says(
            "It does not try a FAILED message again.", "| `smtp-550` and other 5xx, for one customer |"
        )
        failed, _ = await runbook.run(look)
        (letter,) = (one for one in failed.json["notifications"] if one["order_id"] == order)
        assert (letter["attempts"], letter["last_error"]) == (1, "smtp-550")
        runbook.says("# order_id, customer_id, last_error")
        assert letter["customer_id"].startswith("cus_")

        mail.refuses = False
        await runbook.run_one(retry)

        async def is_over() -> None:
            left, _ = await runbook.run(look)
            assert left.json["notifications"] == []
            assert {one["state"] for one in await letters_of(shop, order)} == {"SENT"}

        runbook.says("**It is over** when the first command above shows no notification.")
        await soon(is_over, 30)
        runbook.says("A message keeps its `Message-ID`")
        assert any(letter["message_id"] in message for message in mail.messages)
    await shop.restart("notifications")
    await shop.is_ready()


@pytest.mark.runbook("reports-rebuild")
async def test_a_rebuild_that_waits_is_cancelled_and_begun_again(runbook: Runbook, shop: Shop) -> None:
    look, cancel, begin, over = runbook.blocks
    before = await shop.get("analytics", "/reports/orders-by-state")
    began = len(shop.log("analytics"))
    await shop.kill("kafka")
    opened = (await runbook.run_one(begin)).json["generation"]
    again = await shop.ask("analytics", "POST", "/rebuilds")
    runbook.says("`POST /rebuilds` answers 409 `rebuild-already-running`")
    assert (again.status_code, again.json()["type"].rpartition(":")[2]) == (409, "rebuild-already-running")

    await shop.logs("analytics", "outage.began", after=began)

    async def is_degraded() -> None:
        assert (await shop.readyz("analytics"))[1]["status"] == "degraded"

    await soon(is_degraded)
    generations, ready, log = await runbook.run(look)
    runbook.says("The one that is `BUILDING` is the rebuild")
    building = [one["generation"] for one in generations.json["rebuilds"] if one["state"] == "BUILDING"]
    assert building == [opened]
    assert ready.json["status"] == "degraded"
    assert "outage.began" in log.text

    assert (await runbook.run_one(cancel, {"rebuilds/N": f"rebuilds/{opened}"})).json["state"] == "CANCELLED"
    runbook.says("Reports continue with the active generation")
    assert await shop.get("analytics", "/reports/orders-by-state") == before
    await shop.start("kafka")
    await shop.is_ready()
    fresh = (await runbook.run_one(begin)).json["generation"]

    async def is_active() -> None:
        rebuild = await runbook.run_one(over, {"rebuilds/N": f"rebuilds/{fresh}"})
        assert (rebuild.json["state"], rebuild.json["progress"]) == ("ACTIVE", 1.0)

    runbook.says("**It is over** when the new generation is `ACTIVE`")
    await soon(is_active, 60)
