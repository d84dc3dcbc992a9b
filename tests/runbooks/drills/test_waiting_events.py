"""Drills: a partition waits behind a message, and rows of an outbox are not sent."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from shop_stack import kafka_users, rights, topics
from shop_stack.parts import provision_kafka
from shop_stack.rights import Operation, Resource, Right
from tests.runbooks.drills.conftest import Runbook
from tests.runbooks.drills.faults import (
    DICE,
    ORDERS,
    discard_all,
    letters_of,
    no_new_rows,
    product,
    send,
    topic_of,
    topic_setting,
)
from tests.runbooks.drills.faulty_service import BROKEN_KEY
from tests.runbooks.drills.shop import Shop, assert_said, soon

KEYS = 24
"""More than BREAKER_KEYS."""


@pytest.mark.runbook("partition-waits")
async def test_partitions_wait_and_a_message_is_skipped(runbook: Runbook, shop: Shop) -> None:
    look, restart, without_breaker, stop, skip, start = runbook.blocks
    async with no_new_rows(shop, "inventory", "reservations"):
        orders = await open_the_breaker(runbook, shop)
        log, metrics = await runbook.run(look)
        assert await letters_of(shop, "inventory") == []
        began = len(shop.log("inventory"))
    runbook.says("The log names the event type and the error.")
    assert_said(log.text, ["consumer.partition_waits"])
    assert 'chassis_breaker_open{type="orders.order-placed.v1"} 1.0' in metrics.text
    runbook.says("If the cause was outside of the service, the breaker closes without a restart")
    await shop.logs("inventory", "breaker.closed", after=began)
    await runbook.run_one(restart)
    runbook.says("It handles the events that wait, and no redrive is necessary.")
    for order in orders:
        await shop.ends(order, "CONFIRMED")

    async with no_new_rows(shop, "inventory", "reservations"):
        orders = await open_the_breaker(runbook, shop)
        runbook.says("switch the breaker off until they are dead letters")
        await runbook.run_one(without_breaker)

        async def are_dead_letters() -> None:
            assert {letter["key"] for letter in await letters_of(shop, "inventory")} == set(orders)

        await soon(are_dead_letters, 60)
    for order in orders:
        await shop.manage("inventory", "POST", "/admin/dead-letters/redrive", json={"key": order})
    for order in orders:
        await shop.ends(order, "CONFIRMED")
    await shop.restart("inventory")
    await shop.is_ready()
    await an_offset_is_skipped(runbook, shop, (stop, skip, start))


async def open_the_breaker(runbook: Runbook, shop: Shop) -> list[str]:
    """Have orders come together to inventory, whose handler fails. Returns them."""
    await shop.stop("inventory")
    orders = await asyncio.gather(*(shop.order(deadline=600) for _ in range(KEYS)))
    began = len(shop.log("inventory"))
    await shop.start("inventory")
    runbook.says(
        "The log of a service has `consumer.partition_waits` every two seconds.", "events of 20 keys in a row"
    )
    await shop.logs("inventory", "consumer.partition_waits", "breaker.open", after=began)

    async def is_shown() -> None:
        assert await shop.alert("ShopfloorPartitionWaits") > 0
        assert await shop.alert("ShopfloorBreakerOpen") == 1

    await soon(is_shown)
    return list(orders)


async def an_offset_is_skipped(runbook: Runbook, shop: Shop, blocks: tuple[str, str, str]) -> None:
    stop, skip, start = blocks
    async with no_new_rows(shop, "inventory", "dead_letters"):
        began = len(shop.log("inventory"))
        await send(shop, replace(topic_of(shop, ORDERS).event(DICE), headers={}))
        runbook.says("| `dead_letter.not_stored` | the database refuses the dead letter itself |")
        await shop.logs("inventory", "dead_letter.not_stored", "consumer.partition_waits", after=began)
        runbook.says("The log has its topic and its position (partition, offset).")
        partition, offset = not_stored(shop.log("inventory"))
        assert await shop.alert("ShopfloorPartitionWaits") == 1

        assert [output.code for output in await runbook.run(stop)] == [0, 0]
        position = f"partition={partition}, offset={offset}"
        await runbook.run_one(skip, {"partition=3, offset=41": position})
        await runbook.run_one(start)
        order = await shop.order()
        await shop.ends(order, "CONFIRMED")
        runbook.says("`chassis_partitions_waiting` and `chassis_breaker_open` are 0.")
        assert await shop.alert("ShopfloorPartitionWaits") == 0
        assert await shop.alert("ShopfloorBreakerOpen") == 0
    runbook.says("From then on `shop check` reports the message as lost to this service (invariant 6).")
    assert await shop.violated() == [6]
    runbook.says("To have the message handled after all", "the offset before it (`offset=40`)")
    assert [output.code for output in await runbook.run(stop)] == [0, 0]
    before_it = f"partition={partition}, offset={offset - 1}"
    await runbook.run_one(skip, {"partition=3, offset=41": before_it})
    await runbook.run_one(start)

    async def is_a_dead_letter() -> None:
        assert [letter["reason"] for letter in await letters_of(shop, "inventory")] == ["no-headers"]

    await soon(is_a_dead_letter, 60)
    await discard_all(shop)
    assert await shop.violated() == []


async def rows_aside(shop: Shop, is_meant: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait for a row of inventory that stands aside."""

    async def stands_aside() -> dict[str, Any]:
        rows: list[dict[str, Any]] = (await shop.manage("inventory", "GET", "/admin/outbox/set-aside")).json()
        found = [row for row in rows if is_meant(row)]
        assert found
        return found[0]

    return await soon(stands_aside, 40)


async def are_listed(shop: Shop, *skus: str) -> None:
    """Wait until orders knows products."""

    async def known() -> None:
        listed = {price["sku"] for price in (await shop.get("orders", "/prices"))["prices"]}
        assert set(skus) <= listed

    await soon(known, 40)


@pytest.mark.runbook("events-not-sent")
async def test_rows_that_are_not_sent_are_seen_sent_again_and_given_up(runbook: Runbook, shop: Shop) -> None:
    look, send_again, give_up, set_aside = runbook.blocks
    began = len(shop.log("inventory"))
    async with topic_setting(shop, "inventory.reservation.v1", "max.message.bytes", "100"):
        order = await shop.order(deadline=600)
        row = await rows_aside(shop, lambda row: row["key"] == order and row["state"] == "REFUSED")
        metrics, listed, log = await runbook.run(look)
        assert await shop.alert("ShopfloorEventRefused") == 1
        assert await shop.alert("ShopfloorEventsNotSent") > 0
    assert 'chassis_outbox_set_aside{state="REFUSED"} 1.0' in metrics.text
    runbook.says("are set aside, oldest first, without data", "# relay.row_refused, relay.topic_delayed")
    assert str(row["id"]) in listed.text
    assert "data" not in row
    assert "relay.row_refused" in log.text
    await runbook.run_one(send_again, {"--id 7": f"--id {row['id']}"})
    runbook.says("The later events of its key follow it")
    await shop.ends(order, "CONFIRMED")

    await a_product_is_given_up(runbook, shop, give_up)
    await an_event_of_an_order_is_given_up(runbook, shop, give_up)
    await a_topic_is_missing(runbook, shop)
    await a_row_stops_the_relay(runbook, shop, set_aside, send_again)
    await shop.logs("inventory", "relay.row_refused", "relay.topic_delayed", "relay.row_failed", after=began)

    async def is_over() -> None:
        assert await shop.metric("inventory", "chassis_outbox_set_aside") == 0
        assert await shop.metric("inventory", "chassis_outbox_oldest_unsent_seconds") < 5

    runbook.says("`chassis_outbox_set_aside` is 0 for both states", "the age is below a few seconds")
    await soon(is_over, 30)


async def a_product_is_given_up(runbook: Runbook, shop: Shop, give_up: str) -> None:
    async with topic_setting(shop, "inventory.product.v1", "max.message.bytes", "100"):
        await shop.ask("inventory", "POST", "/products", json=product("GIVEN-UP"))
        row = await rows_aside(shop, lambda row: row["key"] == "GIVEN-UP" and row["state"] == "REFUSED")
    given_up = await runbook.run_one(give_up, {"--id 7": f"--id {row['id']}"})
    assert "has given up 1 rows" in given_up.text
    runbook.says("except on the compacted topic `inventory.product.v1`")
    assert await shop.violated() == []
    runbook.says("there a later event of the product has the whole state")
    await shop.ask("inventory", "POST", "/products/republish")
    await are_listed(shop, "GIVEN-UP")


async def an_event_of_an_order_is_given_up(runbook: Runbook, shop: Shop, give_up: str) -> None:
    async with topic_setting(shop, "inventory.reservation.v1", "max.message.bytes", "100"):
        order = await shop.order(deadline=4)
        row = await rows_aside(shop, lambda row: row["key"] == order and row["state"] == "REFUSED")
        await shop.ends(order, "CANCELLED")
    await runbook.run_one(give_up, {"--id 7": f"--id {row['id']}"})
    runbook.says("Its readers never get it, and the later events of its key are sent.")

    async def nothing_stands_aside() -> None:
        assert (await shop.manage("inventory", "GET", "/admin/outbox/set-aside")).json() == []

    await soon(nothing_stands_aside, 40)
    runbook.says("`shop check` reports a given-up event as not sent (invariant 6)")
    assert await shop.violated() == [6]
    # The check of a later drill must not find it.
    await shop.sql("inventory", f"DELETE FROM outbox WHERE id = {row['id']}")
    assert await shop.violated() == []


async def a_topic_is_missing(runbook: Runbook, shop: Shop) -> None:
    missing = f"inventory.{uuid4().hex[:8]}.v1"
    await shop.sql(
        "inventory",
        "INSERT INTO outbox (shard, event_id, topic, key, type, time, correlation_id, data)"
        f" VALUES (0, gen_random_uuid(), '{missing}', 'drill', 'inventory.drill.v1', now(), 'drill', '{{}}')",
    )
    row = await rows_aside(shop, lambda row: row["topic"] == missing)
    runbook.says("| `DELAYED`, and `error` names the topic | declare the topic in `contracts/topics.yaml`")
    assert row["state"] == "DELAYED"
    assert missing in row["error"]
    stack = shop.stack
    admin = AIOKafkaAdminClient(**shop.kafka.client)
    await admin.start()
    await admin.create_topics([NewTopic(missing, 1, 1)])
    granted = rights.service_rights("inventory", topics.entries(shop.target.contracts))
    granted.append(Right("inventory", Resource.TOPIC, missing, Operation.WRITE))
    await kafka_users.ensure(stack.logins.of(rights.STACK), [stack.logins.of("inventory")], granted)

    async def is_sent() -> None:
        assert await shop.metric("inventory", "chassis_outbox_set_aside", state="DELAYED") == 0

    runbook.says("the rows are then sent without action, within 30 seconds")
    await soon(is_sent, 40)
    await shop.sql("inventory", f"DELETE FROM outbox WHERE topic = '{missing}'")
    await admin.delete_topics([missing])
    await admin.close()
    await provision_kafka(stack)


async def a_row_stops_the_relay(runbook: Runbook, shop: Shop, set_aside: str, send_again: str) -> None:
    began = len(shop.log("inventory"))
    await shop.restart("inventory", fault="unsendable-row")
    for sku in (BROKEN_KEY, "BEHIND-BROKEN"):
        await shop.ask("inventory", "POST", "/products", json=product(sku))
    runbook.says('`/readyz` shows `"relay": "failed: …"`, and the log has `relay.row_failed`')
    await shop.logs("inventory", "relay.row_failed", after=began)

    async def has_failed() -> None:
        _, body = await shop.readyz("inventory")
        assert body["checks"]["relay"] == "failed: TypeError"

    await soon(has_failed)
    event = str(await shop.sql("inventory", f"SELECT event_id FROM outbox WHERE key = '{BROKEN_KEY}'"))
    runbook.says("`relay.row_failed` names the `event_id` of the row.", "It prints `INSERT 0 1`.")
    assert event in shop.log("inventory")[began:]
    assert "INSERT 0 1" in (await runbook.run_one(set_aside, {"EVENT_ID": event})).text
    runbook.says("The rows of other keys are sent within seconds")
    await are_listed(shop, "BEHIND-BROKEN")

    await shop.restart("inventory")
    row = await rows_aside(shop, lambda row: row["key"] == BROKEN_KEY)
    await runbook.run_one(send_again, {"--id 7": f"--id {row['id']}"})
    await are_listed(shop, BROKEN_KEY)


def not_stored(log: str) -> tuple[int, int]:
    """Partition and offset of the last dead letter that could not be stored."""
    lines = [line for line in log.splitlines() if '"dead_letter.not_stored"' in line]
    partition, offset = json.loads(lines[-1])["position"]
    return int(partition), int(offset)
