"""Drills: events that cannot be handled, are foreign, or come too late."""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from shop_lab.experiments.foreign_inputs.events import Event, ghost_of
from tests.runbooks.drills.conftest import Runbook
from tests.runbooks.drills.faults import DICE, ORDERS, discard_all, letters_of, no_new_rows, send, topic_of
from tests.runbooks.drills.shop import SKU, Shop, assert_said, soon
from tests.runbooks.pages import rows_of


def foreign_records(shop: Shop) -> dict[str, Event]:
    """Records that no service wrote, by their kinds; `behind` is of the key of `no-json`."""
    topic = topic_of(shop, ORDERS)
    no_json = replace(topic.event(DICE, "orders.order-placed.v1"), value=b"no JSON")
    key = no_json.key or b""
    behind = topic.event(DICE, "orders.order-placed.v1").with_field("order_id", key.decode())
    return {
        "no-json": no_json,
        "behind": replace(behind.with_header(b"ce_subject", key), key=key),
        "unknown": topic.event(DICE).with_header(b"ce_type", b"orders.order-unheard-of.v1"),
        "no-headers": replace(topic.event(DICE), headers={}),
    }


@pytest.mark.runbook("dead-letters")
async def test_dead_letters_are_seen_redriven_and_discarded(runbook: Runbook, shop: Shop) -> None:
    look, redrive, discard, over = runbook.blocks
    await discard_all(shop)
    records = foreign_records(shop)
    await send(shop, *records.values())

    async def are_stored() -> dict[tuple[str, str], dict[str, Any]]:
        found = await letters_of(shop, "payments")
        assert len(found) == len(records)
        return {(letter["state"], letter["reason"]): letter for letter in found}

    letters = await soon(are_stored, 30)
    assert letters.keys() == {
        ("HELD", "schema-violation"),
        ("WAITING", "key-held"),
        ("PARKED", "unknown-type"),
        ("PARKED", "no-headers"),
    }
    states = {state for state, *_ in rows_of(runbook.page.text) if state.strip("`").isupper()}
    assert states == {"`HELD`", "`WAITING`", "`PARKED`", "`REDRIVEN`", "`DISCARDED`"}
    runbook.says(
        "| `HELD` | its data is no JSON or breaks the schema, or its handler failed.",
        "| `PARKED` | it is not an event that the service reads (an unknown type,",
    )
    runbook.says("A copy of each dead letter goes to the topic `<service>.dead-letters`.")

    async def is_copied() -> None:
        published = "messaging_client_sent_messages_total"
        topic = {"messaging_destination_name": "payments.dead-letters"}
        assert await shop.metric("payments", published, **topic) >= len(records) - 1

    await soon(is_copied)
    assert await shop.alert("ShopfloorDeadLetters") > 0

    held = letters["HELD", "schema-violation"]
    status, listed, shown = await runbook.run(look, {"payments 7": f"payments {held['id']}"})
    runbook.says("# how many each service keeps, and since when; exit code 4")
    assert status.code == 4
    assert "payments keeps" in status.text
    assert_said(listed.text, ["payments", "HELD", "WAITING", "PARKED", held["key"]])
    runbook.says("# one, with headers and data")
    assert shown.json["value"] == "no JSON"
    assert shown.json["headers"]["ce_type"] == "orders.order-placed.v1"

    runbook.says("`--id` discards one dead letter", "Do not redrive such a record")
    assert "1 ended" in (await runbook.run_one(discard, {"--id 7": f"--id {held['id']}"})).text
    await discard_all(shop)

    await a_real_event_is_redriven(runbook, shop, redrive)
    await events_behind_a_discarded_one_are_redriven(runbook, shop, (discard, redrive))
    await an_open_letter_of_analytics_fails_the_check(runbook, shop)
    runbook.says('# "No dead letters."', "# exit code 0")
    listed, check = await runbook.run(over)
    assert listed.text == "No dead letters.\n"
    assert check.code == 0
    runbook.says(
        "`shop check` lists a record that no service published and every reader refused as a *foreign record*"
    )
    assert f"foreign record {ORDERS}[" in check.text


async def a_real_event_is_redriven(runbook: Runbook, shop: Shop, redrive: str) -> None:
    """The handler fails, and then it does not."""
    async with no_new_rows(shop, "payments", "payments"):
        order = await shop.order(deadline=600)

        async def is_held() -> None:
            held = [letter for letter in await letters_of(shop, "payments") if letter["state"] == "HELD"]
            assert {(letter["key"], letter["reason"]) for letter in held} == {(order, "handler-failed")}

        await soon(is_held, 30)
        runbook.says(
            "If one fails again, the later ones of its key keep waiting.", "Redrive is safe to repeat."
        )
        (failed,) = await runbook.run(redrive, {"ORDER": order})
        assert failed.code == 1
    await runbook.run_one(redrive, {"ORDER": order})
    await runbook.run_one(redrive, {"ORDER": order})
    await shop.ends(order, "CONFIRMED")


async def events_behind_a_discarded_one_are_redriven(
    runbook: Runbook, shop: Shop, blocks: tuple[str, str]
) -> None:
    """The order is cancelled while its first event is a dead letter, which is then given up."""
    discard, redrive = blocks
    async with no_new_rows(shop, "payments", "payments"):
        order = await shop.order(deadline=600)

        async def state_of_letters(*expected: str) -> int:
            found = [letter for letter in await letters_of(shop, "payments") if letter["topic"] == ORDERS]
            assert [letter["state"] for letter in found] == list(expected)
            return int(found[0]["id"])

        await soon(partial(state_of_letters, "HELD"), 30)
        await shop.ask("orders", "POST", f"/orders/{order}/cancel")
        held = await soon(partial(state_of_letters, "HELD", "WAITING"), 30)
    runbook.says("Events that waited for a discarded one need a redrive of their key.")
    await runbook.run_one(discard, {"--id 7": f"--id {held}"})
    assert await letters_of(shop, "payments") != []
    await runbook.run_one(redrive, {"--key ORDER": f"--key {order}"})
    assert await letters_of(shop, "payments") == []


async def an_open_letter_of_analytics_fails_the_check(runbook: Runbook, shop: Shop) -> None:
    runbook.says(
        "An open dead letter of `analytics` makes invariant 9 fail, because the reports lack the event"
    )
    # The events of earlier orders have arrived.
    assert await shop.violated() == []
    async with no_new_rows(shop, "analytics", "order_facts"):
        order = await shop.order()
        await shop.ends(order, "CONFIRMED")

        async def is_held() -> None:
            assert "HELD" in {letter["state"] for letter in await letters_of(shop, "analytics")}

        await soon(is_held, 30)
        assert await shop.violated() == [9]
    assert (await shop.bash(f".venv/bin/shop dead-letters redrive analytics --key {order}")).code == 0
    assert await shop.violated() == []


@pytest.mark.runbook("lost-orders")
async def test_a_lost_order_is_cancelled_and_its_money_goes_back(runbook: Runbook, shop: Shop) -> None:
    look, discard = runbook.blocks
    ghost = ghost_of(topic_of(shop, ORDERS), DICE, SKU)
    lost = (ghost.key or b"").decode()
    await send(shop, ghost)
    runbook.says("The log of `orders` has the line `order.lost`")
    await shop.logs("orders", "order.lost")
    runbook.says("**It is over** when the payment is `REFUNDED` or `DECLINED`", "# CANCELLED, unknown_order")

    async def is_over() -> None:
        log, order, payment, _ = await runbook.run(look, {"ORDER_ID": lost})
        assert lost in log.text
        assert (order.json["state"], order.json["reason"]) == ("CANCELLED", "unknown_order")
        assert payment.json["state"] in ("REFUNDED", "DECLINED")

    await soon(is_over, 60)

    await shop.kill("processor")
    order = await shop.order(deadline=15)
    await shop.sql("orders", f"UPDATE orders SET total_minor = total_minor + 1 WHERE id = '{order}'")
    await shop.start("processor")
    runbook.says(
        "or `orders` has a dead letter with `CaptureMismatch`", "The order stays PENDING until its deadline"
    )

    async def is_held() -> int:
        (letter,) = (letter for letter in await letters_of(shop, "orders") if letter["key"] == order)
        assert "CaptureMismatch" in letter["error"]
        return int(letter["id"])

    letter = await soon(is_held, 30)
    assert await shop.state_of(order) == "PENDING"
    await shop.ends(order, "CANCELLED")
    await runbook.run_one(discard, {"--id 7": f"--id {letter}"})
    assert await letters_of(shop, "orders") == []

    async def is_refunded() -> None:
        assert (await shop.get("payments", f"/payments/{order}"))["state"] == "REFUNDED"

    await soon(is_refunded, 30)
    await shop.sql("orders", f"UPDATE orders SET total_minor = total_minor - 1 WHERE id = '{order}'")
    runbook.says("`shop check` is green for stock and money (invariants 2 and 3)")
    assert not {2, 3} & set(await shop.violated())


@pytest.mark.runbook("inbox-retention")
async def test_an_inbox_that_forgets_too_soon_is_seen_and_mended(runbook: Runbook, shop: Shop) -> None:
    look, restart = runbook.blocks
    began = len(shop.log("inventory"))
    await shop.restart("inventory", INBOX_RETENTION="P1D")
    runbook.says(
        "the log event `inbox.retention_too_short`, or a consumer that does not start with the error"
    )
    await shop.logs("inventory", "inbox.retention_too_short", "RetentionTooShort", after=began)

    async def refuses() -> None:
        _, body = await shop.readyz("inventory")
        assert body["checks"]["consumer"] == "failed: RetentionTooShort"
        assert await shop.alert("ShopfloorInboxForgets") == 1

    runbook.says(
        "A consumer that is started now does not read: it stops with `RetentionTooShort`.",
        "The error names the topic and both times.",
    )
    await soon(refuses, 30)
    (metric,) = await runbook.run(look)
    assert f'topic="{ORDERS}"}} 1.0' in metric.text
    assert f"{ORDERS} can deliver an event for up to 22 days" in shop.log("inventory")[began:]

    runbook.says("The metric names every such topic")
    await shop.restart("payments", INBOX_RETENTION="P1D")

    async def both_are_named() -> None:
        assert await shop.metric("payments", "chassis_inbox_retention_too_short") == 2

    await soon(both_are_named, 30)
    await shop.restart("payments")

    await runbook.run_one(restart)
    runbook.says("`chassis_inbox_retention_too_short` is 0 within ten minutes, and the service consumes")
    await shop.is_ready()
    assert await shop.alert("ShopfloorInboxForgets") == 0
    await shop.ends(await shop.order(), "CONFIRMED")
    await shop.restart("inventory")
    await shop.is_ready()


@pytest.mark.runbook("consumer-stalled")
async def test_a_consumer_that_makes_no_progress_is_cut_off(runbook: Runbook, shop: Shop) -> None:
    look, restart = runbook.blocks
    began = len(shop.log("payments"))
    await shop.restart("payments", fault="impatient-watchdog")
    await shop.is_ready()
    locked = asyncio.create_task(shop.sql("payments", "BEGIN", "LOCK TABLE payments", "SELECT pg_sleep(120)"))
    order = await shop.order(deadline=600)

    async def makes_no_progress() -> None:
        _, body = await shop.readyz("payments")
        assert body["checks"]["consumer"].startswith("no progress for")

    runbook.says('`/readyz` shows `"consumer": "no progress for … s"`', "# for how long, while it lasts")
    await soon(makes_no_progress, 30)
    await shop.logs("payments", "consumer.stalled", after=began)
    stalled, ready, metric = await runbook.run(look)
    runbook.says("# which step")
    assert '"step": "batch"' in stalled.text
    assert "consumer" in ready.json["checks"]
    assert "chassis_consumer_stalls_total 0.0" not in metric.text
    locked.cancel()
    await asyncio.wait([locked])

    await runbook.run_one(restart)
    runbook.says('`/readyz` shows `"consumer": "ok"`', "No event is lost")
    _, body = await shop.readyz("payments")
    assert body["checks"]["consumer"] == "ok"
    await shop.ends(order, "CONFIRMED")
    assert await shop.metric("payments", "chassis_consumer_stalls_total") == 0
