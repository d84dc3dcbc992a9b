"""`shop why` on a running shop: each hold-up is found, its place is named, and the printed command ends it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from shop_lab.hand_sent import Changes, compose
from shop_lab.hand_sent import send as send_record
from shop_oracle.why import Answer, Finding, ask
from tests.runbooks.drills.faults import no_new_rows
from tests.runbooks.drills.shop import SKU, Shop, soon

DEADLINE = 600
"""Seconds: no order of these tests is cancelled by its deadline."""


async def found(shop: Shop, order: str, is_meant: Callable[[Finding], bool]) -> tuple[Answer, Finding]:
    """Ask until the answer has such a finding."""

    async def look() -> tuple[Answer, Finding]:
        answer = await ask(shop.target, order)
        fitting = [finding for finding in answer.findings if is_meant(finding)]
        assert fitting, answer.as_json()
        return answer, fitting[0]

    return await soon(look, 40)


def caused(words: str) -> Callable[[Finding], bool]:
    """Whether a cause of a finding has these words."""
    return lambda finding: any(words in cause.what for cause in finding.causes)


async def cure(shop: Shop, finding: Finding, command: str) -> None:
    """Hold that the finding's only cure is this command, and run it."""
    assert {cause.cure for cause in finding.causes} == {command}
    output = await shop.bash(f".venv/bin/{command}")
    assert output.code == 0, output


async def is_done(shop: Shop, order: str) -> None:
    """Wait until the order is confirmed and `shop why` has nothing more to say of it."""
    await shop.ends(order, "CONFIRMED", seconds=90)

    async def look() -> None:
        answer = await ask(shop.target, order)
        assert answer.is_done, answer.as_json()

    await soon(look, 40)


async def by_hand(shop: Shop, command: str) -> None:
    output = await shop.bash(f".venv/bin/shop {command}")
    assert output.code == 0, output


@asynccontextmanager
async def session(shop: Shop, service: str, statement: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A forgotten session: its transaction has run this statement, and stays open."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(shop.target.database_urls[service])
    try:
        await connection.execute("BEGIN")
        await connection.execute(statement)
        yield connection
    finally:
        connection.terminate()


async def test_an_order_that_goes_its_way_is_done_and_an_unknown_one_is_told(shop: Shop) -> None:
    order = await shop.order(DEADLINE)
    await is_done(shop, order)
    told = await shop.bash(f".venv/bin/shop why {order}")
    assert (told.code, "Every step has happened" in told.text) == (0, True)
    unknown = await shop.bash(f".venv/bin/shop why {uuid4()}")
    assert (unknown.code, "There is no order" in unknown.text) == (1, True)
    neither = await shop.bash(".venv/bin/shop why")
    assert (neither.code, "Name one order, or give --all" in neither.text) == (2, True)


async def test_a_stopped_service_is_named_with_the_partition_and_its_unread_messages(shop: Shop) -> None:
    await by_hand(shop, "stop inventory")
    orders = [await shop.order(DEADLINE) for _ in range(2)]
    _, finding = await found(
        shop, orders[0], lambda one: "inventory has not handled" in one.where and "unread" in one.where
    )
    assert "orders.order-placed.v1 was sent" in finding.where
    assert "orders.order.v1[" in finding.where
    told = await shop.bash(f".venv/bin/shop why {orders[0]}")
    assert told.code == 1
    for words in ("is PENDING for", "It waits for stock-reserved or stock-rejected of inventory", "Cure:"):
        assert words in told.text
    everything = await shop.bash(".venv/bin/shop why --all")
    assert "2 orders, such as" in everything.text
    assert "inventory is stopped by hand" in everything.text
    await cure(shop, finding, "shop start inventory")
    for order in orders:
        await is_done(shop, order)


async def test_a_frozen_service_is_named_and_resumed(shop: Shop) -> None:
    await by_hand(shop, "freeze payments")
    everything = await shop.bash(".venv/bin/shop why --all")
    assert (everything.code, "payments is frozen" in everything.text) == (1, True), everything
    order = await shop.order(DEADLINE)
    _, finding = await found(shop, order, caused("payments is frozen"))
    status = await shop.bash(".venv/bin/shop status")
    assert "payments is frozen by hand: `shop resume payments`" in status.text
    await cure(shop, finding, "shop resume payments")
    await is_done(shop, order)


async def test_a_charge_that_waits_for_the_processor_is_an_open_intent(shop: Shop) -> None:
    await by_hand(shop, "stop processor")
    order = await shop.order(DEADLINE)
    _, finding = await found(shop, order, lambda one: one.where.startswith("a charge of payments"))
    await cure(shop, finding, "shop start processor")
    await is_done(shop, order)


async def test_without_postgresql_the_answer_says_what_cannot_be_read(shop: Shop) -> None:
    order = await shop.order(DEADLINE)
    await by_hand(shop, "stop postgres")
    answer, finding = await found(shop, order, caused("postgres is stopped by hand"))
    assert answer.order is None
    assert "orders" in finding.where
    assert "cannot be read" in finding.where
    await cure(shop, finding, "shop start postgres")
    await is_done(shop, order)


async def test_without_kafka_the_event_is_an_unsent_row_of_the_outbox(shop: Shop) -> None:
    await by_hand(shop, "stop kafka")
    order = await shop.order(DEADLINE)
    _, finding = await found(shop, order, lambda one: "of the outbox of orders, and is not sent" in one.where)
    await cure(shop, finding, "shop start kafka")
    await is_done(shop, order)


async def test_a_row_that_the_broker_refuses_is_sent_again_by_its_id(shop: Shop) -> None:
    await by_hand(shop, "stop kafka")
    order = await shop.order(DEADLINE)
    await shop.sql(
        "orders",
        "INSERT INTO outbox_set_aside (id, shard, topic, key, state, error)"
        f" SELECT id, shard, topic, key, 'REFUSED', 'too large' FROM outbox WHERE key = '{order}'",
    )
    await by_hand(shop, "start kafka")
    row = await shop.sql("orders", f"SELECT id FROM outbox WHERE key = '{order}'")
    _, finding = await found(shop, order, caused("the broker does not accept row"))
    await cure(shop, finding, f"shop outbox send-again orders --id {row}")
    await is_done(shop, order)


async def test_a_lock_is_found_with_the_session_that_holds_it(shop: Shop) -> None:
    async with session(shop, "inventory", f"SELECT FROM products WHERE sku = '{SKU}' FOR UPDATE") as holder:
        order = await shop.order(DEADLINE)
        pid = holder.get_server_pid()
        _, finding = await found(shop, order, caused(f"a lock that session {pid} of inventory_owner holds"))
        await cure(shop, finding, f"shop end-session inventory {pid}")
        await is_done(shop, order)
    again = await shop.bash(f".venv/bin/shop end-session inventory {pid}")
    assert (again.code, f"has no session {pid}" in again.text) == (1, True)


async def test_a_relay_that_waits_for_a_lock_is_found(shop: Shop) -> None:
    async with session(shop, "orders", "LOCK TABLE relay_cursor IN ACCESS EXCLUSIVE MODE"):
        order = await shop.order(DEADLINE)
        answer = await ask(shop.target, order)
        # The table of the relay is locked for readers, too, so its database is the finding.
        assert "what orders knows of it cannot be read" in [finding.where for finding in answer.findings]
    await is_done(shop, order)


async def test_a_dead_letter_is_named_with_its_record_and_redriven(shop: Shop) -> None:
    async with no_new_rows(shop, "inventory", "reservations"):
        order = await shop.order(DEADLINE)
        _, finding = await found(shop, order, lambda one: "dead letter" in one.where)
        assert "of inventory (HELD)" in finding.where
    await cure(shop, finding, f"shop dead-letters redrive inventory --key {order}")
    await is_done(shop, order)


async def test_a_partition_that_waits_behind_a_message_is_named(shop: Shop) -> None:
    await by_hand(shop, "stop inventory")
    order = await shop.order(DEADLINE)
    async with no_new_rows(shop, "orders", "dead_letters"):
        changes = Changes(sets=[f"order_id={order}"], corrupt="no-headers")
        await send_record(shop.kafka, compose(shop.target.contracts, "payment-captured", changes))
        await by_hand(shop, "start inventory")
        _, finding = await found(shop, order, caused("partitions of orders wait behind a message"))
        assert {cause.cure for cause in finding.causes} >= {"shop logs orders"}
    await shop.ends(order, "CONFIRMED", seconds=90)


async def test_a_database_of_one_service_that_takes_no_connections_is_named(shop: Shop) -> None:
    order = await shop.order(DEADLINE)
    async with shop.stack.server.connected() as superuser:
        await superuser.execute("ALTER DATABASE inventory ALLOW_CONNECTIONS false")
        await superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'inventory'"
        )
        try:
            _, finding = await found(shop, order, caused("the database of inventory does not answer"))
            assert finding.where == "what inventory knows of it cannot be read"
        finally:
            await superuser.execute("ALTER DATABASE inventory ALLOW_CONNECTIONS true")
    await is_done(shop, order)


@pytest.mark.parametrize("command", ["stop", "freeze", "slow"])
async def test_what_is_done_twice_by_hand_is_refused_with_the_cure(shop: Shop, command: str) -> None:
    await by_hand(shop, f"{command} spans")
    again = await shop.bash(f".venv/bin/shop {command} spans")
    undo = "start" if command == "stop" else "resume"
    assert (again.code, f"`shop {undo} spans`" in again.text) == (1, True)
    await by_hand(shop, f"{undo} spans")
    once_more = await shop.bash(f".venv/bin/shop {undo} spans")
    assert once_more.code == 1
