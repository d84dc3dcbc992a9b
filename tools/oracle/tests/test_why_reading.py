"""What `shop why` reads of real databases: rows that are unsent or aside, letters, open work, locks, and silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from shop_observe.topics import declared_topics
from shop_oracle.why.facts import Facts
from shop_oracle.why.reading import candidates, each_database, read_databases, read_inboxes
from shop_stack.kafka_access import KafkaAccess
from shop_stack.paths import contracts
from shop_stack.target import Target
from testkit import eventually
from testkit.databases import MakeDatabase

ORDER = "01985f0e-0000-7000-8000-000000000000"
OTHER = "01985f0e-0000-7000-8000-000000000001"
OUTBOX = """
    INSERT INTO outbox (shard, event_id, topic, key, type, time, correlation_id, data)
    VALUES (3, $1, 'orders.order.v1', $2, 'orders.order-placed.v1', now(), $2, '{}') RETURNING id
"""
EVENT = UUID(int=7)

Connections = dict[str, "asyncpg.Connection[Any]"]


@pytest.fixture
async def target(database: MakeDatabase) -> Target:
    """A shop of which only the databases of three services answer."""
    urls = {name: (await database(name)).owner_url for name in ("orders", "payments", "notifications")}
    return Target("test", {}, {}, "", KafkaAccess(""), urls, Path(), Path(), Path())


@pytest.fixture
async def connections(target: Target) -> AsyncIterator[Connections]:
    opened = {name: await asyncpg.connect(url) for name, url in target.database_urls.items()}
    yield opened
    for connection in opened.values():
        connection.terminate()


def no_facts() -> Facts:
    return Facts({topic.name: topic for topic in declared_topics(contracts())}, {})


async def test_the_rows_of_an_order_are_read_with_what_the_relay_has_passed(
    target: Target, connections: Connections
) -> None:
    orders = connections["orders"]
    await orders.fetchval(OUTBOX, UUID(int=1), ORDER)
    await orders.execute("UPDATE relay_cursor SET snapshot = pg_current_snapshot()")
    aside = await orders.fetchval(OUTBOX, UUID(int=2), ORDER)
    await orders.execute(
        "INSERT INTO outbox_set_aside (id, shard, topic, key, state, error)"
        " SELECT id, shard, topic, key, 'REFUSED', 'too large' FROM outbox WHERE id = $1",
        aside,
    )
    await orders.fetchval(OUTBOX, UUID(int=3), OTHER)
    await orders.execute("INSERT INTO inbox VALUES ('orders', '/orders', $1)", UUID(int=1))
    facts = no_facts()
    await read_databases(target, facts, [ORDER])
    await read_inboxes(target, facts)
    rows = [(row.is_unsent, row.aside, row.error) for row in facts.events_of(ORDER)]
    assert rows == [(False, "", ""), (True, "REFUSED", "too large")]
    assert {row.key for row in facts.outbox} == {ORDER}
    assert facts.inbox == {("orders", str(UUID(int=1)))}
    assert facts.databases == {}


async def test_the_rows_of_a_page_that_was_sent_are_passed_before_their_window_is(
    target: Target, connections: Connections
) -> None:
    orders = connections["orders"]
    sent, _ = [await orders.fetchval(OUTBOX, UUID(int=number), ORDER) for number in (1, 2)]
    await orders.execute("UPDATE relay_cursor SET upper = pg_current_snapshot(), after_id = $1", sent)
    facts = no_facts()
    await read_databases(target, facts, [ORDER])
    assert [row.is_unsent for row in facts.events_of(ORDER)] == [False, True]


async def test_open_work_outside_and_open_dead_letters_are_read_and_make_candidates(
    target: Target, connections: Connections
) -> None:
    await connections["payments"].execute(
        "INSERT INTO payments (order_id, payment_id, amount_minor, currency, token, state, attempts, due_at)"
        " VALUES ($1, $2, 100, 'EUR', 't', 'DUE', 3, now())",
        UUID(ORDER),
        UUID(int=9),
    )
    await connections["notifications"].execute(
        "INSERT INTO notifications (id, order_id, kind, customer_id, amount_minor, currency, message_id, state,"
        " last_error, correlation_id) VALUES ($1, $2, 'confirmed', 'c', 1, 'EUR', 'm', 'FAILED', 'refused', 'x')",
        UUID(int=5),
        UUID(OTHER),
    )
    await connections["orders"].execute(
        'INSERT INTO dead_letters (consumer_group, topic, partition, "offset", key, headers, state, reason, error,'
        " fingerprint) VALUES ('orders', 'payments.payment.v1', 2, 41, $1, '{}', 'HELD', 'handler-failed', 'e', 'f')",
        ORDER,
    )
    facts = no_facts()
    assert set(await candidates(target, facts)) == {ORDER, OTHER}
    await read_databases(target, facts, [ORDER, OTHER])
    kinds = {(one.kind, one.order_id, one.attempts, one.due_at is None, one.error) for one in facts.intents}
    assert kinds == {
        ("charge", ORDER, 3, False, ""),
        ("message (confirmed)", OTHER, 0, True, "refused"),
    }
    (letter,) = facts.letters
    assert (letter.service, letter.topic, letter.partition, letter.offset, letter.event_id) == (
        "orders",
        "payments.payment.v1",
        2,
        41,
        "",
    )


async def test_a_session_that_others_wait_for_is_found_by_its_process_id(
    target: Target, connections: Connections
) -> None:
    holder = connections["orders"]
    waiter = await asyncpg.connect(target.database_urls["orders"])
    await holder.execute("BEGIN")
    await holder.execute("LOCK TABLE idempotency_keys")
    waiting = asyncio.ensure_future(waiter.execute("DELETE FROM idempotency_keys"))

    async def is_found() -> None:
        facts = no_facts()
        await read_databases(target, facts, [ORDER])
        (lock,) = facts.locks["orders"]
        assert (
            f"1 session waits in the database of orders for a lock that session {holder.get_server_pid()}"
            in (lock.what)
        )
        assert lock.cure == f"shop end-session orders {holder.get_server_pid()}"

    async def is_found_at_last() -> None:
        try:
            await is_found()
        except KeyError as error:
            raise AssertionError("not waiting for long enough yet") from error

    await eventually(is_found_at_last, 20)
    await holder.execute("ROLLBACK")
    await waiting
    waiter.terminate()
    facts = no_facts()
    await read_databases(target, facts, [ORDER])
    assert facts.locks == {}


async def test_a_database_that_does_not_answer_is_a_finding_and_the_others_are_read(
    target: Target, connections: Connections
) -> None:
    await connections["payments"].fetchval(OUTBOX, EVENT, ORDER)
    away = replace(
        target, database_urls={**target.database_urls, "orders": "postgresql://u:p@127.0.0.1:1/orders"}
    )
    facts = no_facts()
    await read_databases(away, facts, [ORDER])
    assert "the database of orders does not answer" in facts.databases["orders"].what
    assert [row.service for row in facts.outbox] == ["payments"]

    async def fails(service: str, connection: Any) -> None:
        await connection.execute("SELECT no_such_column FROM outbox")

    facts = no_facts()
    await each_database(target, facts, fails)
    assert facts.databases.keys() == target.database_urls.keys()
