"""What a service told others becomes rows of its tables and of its outbox again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from shop.restore import former, outbox
from shop.restore.facts import write_facts
from shop_observe.kafka_log import Entry
from shop_stack.postgres import Server
from testkit.databases import MakeDatabase

ORDER = "01985f0e-0000-7000-8000-000000000001"
AT = "2026-11-29T12:00:00Z"
LATER = "2026-11-29T12:00:05Z"
EUR: dict[str, Any] = {"amount_minor": 2_580, "currency": "EUR"}
PIECES = [{"sku": "MUG", "quantity": 2}]
PAYMENT: dict[str, Any] = {"payment_id": str(UUID(int=5)), "customer_id": "cus_ada", "amount": EUR}
REFUND: dict[str, Any] = {**PAYMENT, "refund_id": str(UUID(int=6)), "version": 2, "refunded_at": LATER}
Connection = Any


def told(type_: str, key: str = ORDER, **data: Any) -> Entry:
    """An event that a service told, as the log has it."""
    topic = {"orders": "orders.order.v1", "payments": "payments.payment.v1"}.get(
        type_.split(".")[0], "other.v1"
    )
    content = {"order_id": key, "version": 1, **data}
    return Entry(
        topic=topic,
        partition=0,
        offset=0,
        sent_ms=0,
        key=key,
        id=str(uuid4()),
        source=f"/{type_.split('.')[0]}",
        type=type_,
        correlation_id=key,
        causation_id=str(UUID(int=9)),
        traceparent="",
        decided_at=AT,
        value=json.dumps(content).encode(),
    )


def nothing_more(entry: Entry) -> Mapping[str, Any] | None:
    return {}


@asynccontextmanager
async def opened(database: MakeDatabase, service: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect((await database(service)).owner_url)
    try:
        yield connection
    finally:
        connection.terminate()


PLACED = told(
    "orders.order-placed.v1",
    customer_id="cus_ada",
    lines=[{"sku": "MUG", "quantity": 2, "unit_price": {"amount_minor": 1_290, "currency": "EUR"}}],
    total=EUR,
    payment_token="tok_ok_1",
    placed_at=AT,
    deadline_at=LATER,
)
REJECTED = told(
    "orders.order-rejected.v1", version=2, reason="out_of_stock", sold_out=["MUG"], rejected_at=LATER
)


async def test_an_order_and_its_end_are_in_the_table_again_and_only_once(database: MakeDatabase) -> None:
    async with opened(database, "orders") as connection:
        for _ in range(2):
            await write_facts(connection, "orders", [PLACED, REJECTED], nothing_more)
        [row] = await connection.fetch("SELECT *, ended_at > placed_at AS in_order FROM orders")
    assert (row["id"], row["state"], row["reason"], row["version"]) == (
        UUID(ORDER),
        "REJECTED",
        "out_of_stock",
        2,
    )
    assert (row["total_minor"], row["currency"], row["in_order"]) == (2_580, "EUR", True)
    assert json.loads(row["lines"]) == [{"sku": "MUG", "quantity": 2, "unit_price_minor": 1_290}]
    assert [entry["state"] for entry in json.loads(row["history"])] == ["PENDING", "REJECTED"]


async def test_an_order_that_had_ended_before_keeps_its_end(database: MakeDatabase) -> None:
    confirmed = told("orders.order-confirmed.v1", version=2, total=EUR, confirmed_at=LATER)
    async with opened(database, "orders") as connection:
        await write_facts(connection, "orders", [PLACED, confirmed], nothing_more)
        await write_facts(connection, "orders", [REJECTED], nothing_more)
        assert await connection.fetchval("SELECT state FROM orders") == "CONFIRMED"


async def test_the_cancellation_of_an_order_that_was_never_placed_here_is_kept(
    database: MakeDatabase,
) -> None:
    cancelled = told(
        "orders.order-cancelled.v1",
        version=2,
        customer_id="cus_ada",
        total=EUR,
        reason="unknown_order",
        cancelled_at=AT,
    )
    async with opened(database, "orders") as connection:
        await write_facts(connection, "orders", [cancelled], nothing_more)
        row = await connection.fetchrow("SELECT state, reason FROM orders")
    assert tuple(row) == ("CANCELLED", "unknown_order")


async def products(connection: Connection) -> list[tuple[Any, ...]]:
    rows = await connection.fetch("SELECT sku, initial, replenished, on_hand, reserved, sold FROM products")
    return [tuple(row) for row in rows]


LISTED = told("inventory.product-listed.v1", "MUG", sku="MUG", name="Mug", price=EUR)
RESERVED = told("inventory.stock-reserved.v1", lines=PIECES, reserved_at=AT)


async def test_stock_that_was_reserved_and_sold_is_sold_again_without_a_second_sale(
    database: MakeDatabase,
) -> None:
    committed = told("inventory.stock-committed.v1", version=2, lines=PIECES, committed_at=LATER)
    async with opened(database, "inventory") as connection:
        await write_facts(connection, "inventory", [LISTED], nothing_more)
        await connection.execute("UPDATE products SET initial = 10, on_hand = 10")
        for _ in range(2):
            await write_facts(connection, "inventory", [LISTED, RESERVED, committed], nothing_more)
        assert await products(connection) == [("MUG", 10, 0, 8, 0, 2)]
        assert await connection.fetchval("SELECT state FROM reservations") == "COMMITTED"


async def test_pieces_that_were_reserved_and_that_no_event_tells_count_as_replenished(
    database: MakeDatabase,
) -> None:
    released = told("inventory.stock-released.v1", version=2, lines=PIECES, released_at=LATER)
    async with opened(database, "inventory") as connection:
        await write_facts(connection, "inventory", [LISTED, RESERVED], nothing_more)
        assert await products(connection) == [("MUG", 0, 2, 2, 2, 0)]
        await write_facts(connection, "inventory", [released], nothing_more)
        assert await products(connection) == [("MUG", 0, 2, 2, 0, 0)]


async def test_an_order_without_stock_stays_without_and_a_newer_price_counts(database: MakeDatabase) -> None:
    shortages = [{"sku": "MUG", "requested": 2, "available": 1}]
    rejected = told("inventory.stock-rejected.v1", shortages=shortages, rejected_at=AT)
    cheaper = {"amount_minor": 990, "currency": "EUR"}
    priced = told("inventory.product-priced.v1", "MUG", version=2, sku="MUG", name="Mug", price=cheaper)
    async with opened(database, "inventory") as connection:
        await write_facts(connection, "inventory", [priced, LISTED, rejected], nothing_more)
        assert await connection.fetchval("SELECT state FROM reservations") == "REJECTED"
        assert await connection.fetchval("SELECT price_minor FROM products") == 990


CAPTURED = told("payments.payment-captured.v1", **PAYMENT, captured_at=AT)
OPENED = """
    INSERT INTO payments (order_id, payment_id, customer_id, amount_minor, currency, token, state, due_at, cancel_cause)
    VALUES ($1, $2, 'cus_ada', 2580, 'EUR', 'tok_ok_1', $3, CASE WHEN $3 = 'OPENED' THEN NULL ELSE now() END, $4::jsonb)
"""


def charge(entry: Entry) -> Mapping[str, Any] | None:
    return {"charge_id": "ch_1"} if entry.type == "payments.payment-captured.v1" else {}


async def test_a_charge_and_its_refund_are_recorded_again(database: MakeDatabase) -> None:
    second = told("payments.payment-refunded.v2", **(REFUND | {"refunded": EUR, "reason": "customer"}))
    first = told("payments.payment-refunded.v1", **REFUND)
    async with opened(database, "payments") as connection:
        await connection.execute(OPENED, UUID(ORDER), UUID(int=4), "OPENED", None)
        for _ in range(2):
            await write_facts(connection, "payments", [CAPTURED, second, first], charge)
        row = await connection.fetchrow("SELECT payment_id, state, charge_id, token, version FROM payments")
        refund = await connection.fetchrow("SELECT refund_id, state FROM refunds")
    assert tuple(row) == (UUID(int=5), "REFUNDED", "ch_1", None, 2)
    assert tuple(refund) == (UUID(int=6), "REFUNDED")


async def test_a_charge_of_an_order_that_was_cancelled_before_gets_its_refund(database: MakeDatabase) -> None:
    async with opened(database, "payments") as connection:
        await connection.execute(OPENED, UUID(ORDER), UUID(int=5), "CANCELLING", "{}")
        await write_facts(connection, "payments", [CAPTURED], charge)
        assert await connection.fetchval("SELECT state FROM payments") == "CAPTURED"
        assert await connection.fetchval("SELECT state FROM refunds WHERE due_at IS NOT NULL") == "PENDING"


async def test_a_charge_that_the_ledger_lacks_is_reported_and_not_written(database: MakeDatabase) -> None:
    async with opened(database, "payments") as connection:
        assert await write_facts(connection, "payments", [CAPTURED], lambda _: None) == [CAPTURED]
        assert await connection.fetchval("SELECT count(*) FROM payments") == 0


async def test_a_declined_card_stays_declined(database: MakeDatabase) -> None:
    declined = told("payments.payment-declined.v1", **PAYMENT, reason="declined", declined_at=AT)
    async with opened(database, "payments") as connection:
        await write_facts(connection, "payments", [declined], charge)
        row = await connection.fetchrow("SELECT state, reason FROM payments")
    assert tuple(row) == ("DECLINED", "declined")


async def test_a_message_that_was_sent_is_not_sent_again(database: MakeDatabase) -> None:
    sent = told(
        "notifications.notification-sent.v1",
        notification_id=str(UUID(int=7)),
        kind="confirmed",
        channel="log",
        sent_at=AT,
    )
    cause = {"customer_id": "cus_ada", "total": EUR}
    async with opened(database, "notifications") as connection:
        for _ in range(2):
            await write_facts(connection, "notifications", [sent], lambda _: cause)
        [row] = await connection.fetch(
            "SELECT id, state, customer_id, amount_minor, message_id FROM notifications"
        )
    assert tuple(row) == (
        UUID(int=7),
        "SENT",
        "cus_ada",
        2_580,
        "<00000000-0000-0000-0000-000000000007@shopfloor.example>",
    )


UNSENT_ROW = """
    INSERT INTO outbox (shard, event_id, topic, key, type, time, correlation_id, data)
    VALUES (3, $1, 'orders.order.v1', $2, 'orders.order-placed.v1', now(), $2, '{}')
"""


async def unsent(connection: Connection) -> list[str]:
    return [entry.key for entry in await outbox.unsent_events(connection, "orders", ())]


async def test_rows_that_kafka_has_are_sent_and_only_the_others_are_sent_again(
    database: MakeDatabase,
) -> None:
    on_kafka, never = UUID(int=1), UUID(int=2)
    async with opened(database, "orders") as connection:
        await connection.execute(UNSENT_ROW, on_kafka, "on-kafka")
        await connection.execute(UNSENT_ROW, never, "never-sent")
        assert len(await unsent(connection)) == 2
        await outbox.add_rows(connection, [PLACED])
        assert await outbox.divide(connection, {str(on_kafka), PLACED.id}, [REJECTED]) == 2
        assert await unsent(connection) == ["never-sent", ORDER]
        kept = await connection.fetchval("SELECT count(*) FROM outbox WHERE event_id = $1", UUID(PLACED.id))
        assert kept == 1


async def test_a_row_that_stands_aside_is_left_to_the_relay_unless_kafka_has_it(
    database: MakeDatabase,
) -> None:
    aside = "INSERT INTO outbox_set_aside SELECT id, shard, topic, key, 'DELAYED', 'away' FROM outbox"
    async with opened(database, "orders") as connection:
        await connection.execute(UNSENT_ROW, UUID(int=1), "on-kafka")
        await connection.execute(UNSENT_ROW, UUID(int=2), "never-sent")
        await connection.execute(aside)
        assert await outbox.divide(connection, {str(UUID(int=1))}, []) == 0
        assert [row[0] for row in await connection.fetch("SELECT key FROM outbox_set_aside")] == [
            "never-sent"
        ]
        assert await unsent(connection) == ["never-sent"]


async def test_events_that_only_the_replaced_database_has_keep_their_content(database: MakeDatabase) -> None:
    async with opened(database, "orders") as replaced, opened(database, "orders") as restored:
        await outbox.divide(replaced, (), [PLACED])
        [found] = await outbox.unsent_events(replaced, "orders", ())
        assert await outbox.unsent_events(replaced, "orders", {PLACED.id}) == []
        assert (found.id, found.source, found.moment) == (PLACED.id, "/orders", PLACED.moment)
        await write_facts(restored, "orders", [found], nothing_more)
        assert await restored.fetchval("SELECT state FROM orders") == "PENDING"


async def test_a_repeated_request_gets_the_answer_from_before(database: MakeDatabase) -> None:
    row = ("key", b"hash", 202, '{"order_id": "7"}', None, datetime(2026, 11, 29, tzinfo=UTC))
    async with opened(database, "orders") as connection:
        await connection.execute("INSERT INTO idempotency_keys (key, request_hash) VALUES ('key', 'hash')")
        await former.add_answers(connection, former.Former(answers=[row]))
        assert await connection.fetchval("SELECT status FROM idempotency_keys WHERE key = 'key'") == 202


async def test_a_replaced_database_that_cannot_be_read_counts_as_empty(
    database: MakeDatabase, postgres_server: Server
) -> None:
    name = (await database("orders")).name
    since = datetime(2026, 11, 29, tzinfo=UTC)
    async with postgres_server.connected(name) as connection:
        await connection.execute(UNSENT_ROW, UUID(int=1), "unsent")
    assert len((await former.read(postgres_server, name, (), since)).unsent) == 1
    async with postgres_server.connected(name) as connection:
        await connection.execute("DROP TABLE relay_cursor")
    for damaged in (name, "missing"):
        assert await former.read(postgres_server, damaged, (), since) == former.Former()


@pytest.mark.parametrize("service", ["orders", "inventory", "payments", "notifications", "analytics"])
async def test_an_event_of_a_type_without_a_row_of_its_own_changes_nothing(
    database: MakeDatabase, service: str
) -> None:
    async with opened(database, service) as connection:
        assert await write_facts(connection, service, [told("other.happened.v1")], nothing_more) == []
