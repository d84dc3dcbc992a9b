"""Events of an outbox that are not sent yet, and open dead letters, in a database of PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shop_contracts.answer.stored import Groups
from shop_contracts.answer.tables import add_letters, add_outbox
from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.target import Target
from testkit.databases import MakeDatabase

TOPIC = "inventory.product.v1"
ROW = """
    INSERT INTO outbox (shard, event_id, topic, key, type, time, correlation_id, data)
    VALUES (0, gen_random_uuid(), $1, $2, 'inventory.product-listed.v1', now(), $2, $3) RETURNING id
"""
LETTER = """
    INSERT INTO dead_letters (consumer_group, topic, partition, "offset", key, headers, value, state, reason, error,
                              fingerprint)
    VALUES ('inventory', 'orders.order.v1', 3, $1, 'k', '{"ce_type": "orders.order-placed.v1", "ce_subject": "k"}',
            $2, $3, 'schema-violation', 'wrong', 'f')
"""


def target_of(url: str) -> Target:
    return Target("test", {}, {}, "", KafkaAccess(""), {"inventory": url}, Path(), Path(), Path())


@pytest.fixture
async def inventory(database: MakeDatabase) -> AsyncIterator[tuple[Target, asyncpg.Connection[Any]]]:
    """A target with the database of inventory, and a connection to it."""
    made = await database("inventory")
    connection = await asyncpg.connect(made.owner_url)
    yield target_of(made.owner_url), connection
    await connection.close()


async def test_rows_that_are_not_sent_are_found_and_sent_ones_are_not(
    inventory: tuple[Target, asyncpg.Connection[Any]],
) -> None:
    target, connection = inventory
    await connection.execute(ROW.replace("RETURNING id", ""), TOPIC, "sent", "{}")
    await connection.execute("UPDATE relay_cursor SET snapshot = pg_current_snapshot()")
    await connection.execute(ROW.replace("RETURNING id", ""), TOPIC, "unsent", '{"sku": "a"}')
    await connection.execute(ROW.replace("RETURNING id", ""), "another.topic.v1", "elsewhere", "{}")
    groups = Groups()
    await add_outbox(groups, target, "inventory", [TOPIC])
    [group] = groups.all()
    assert group.source == "outbox of inventory"
    assert group.first.key == b"unsent"
    assert group.first.value == b'{"sku": "a"}'
    headers = dict(group.first.headers)
    assert headers["ce_type"] == b"inventory.product-listed.v1"
    assert headers["ce_source"] == b"/inventory"
    assert "traceparent" not in headers


async def test_a_row_that_is_set_aside_is_still_sent_and_a_given_up_one_is_not(
    inventory: tuple[Target, asyncpg.Connection[Any]],
) -> None:
    target, connection = inventory
    refused = await connection.fetchval(ROW, TOPIC, "refused", "{}")
    given_up = await connection.fetchval(ROW, TOPIC, "given-up", "{}")
    await connection.execute("UPDATE relay_cursor SET snapshot = pg_current_snapshot()")
    aside = """
        INSERT INTO outbox_set_aside (id, shard, topic, key, state, error, ended_at)
        VALUES ($1, 0, $2, 'k', $3, '', $4)
    """
    await connection.execute(aside, refused, TOPIC, "REFUSED", None)
    ended = await connection.fetchval("SELECT now()")
    await connection.execute(aside, given_up, TOPIC, "GIVEN_UP", ended)
    groups = Groups()
    await add_outbox(groups, target, "inventory", [TOPIC])
    assert [group.first.key for group in groups.all()] == [b"refused"]


async def test_open_dead_letters_are_found_with_their_places(
    inventory: tuple[Target, asyncpg.Connection[Any]],
) -> None:
    target, connection = inventory
    await connection.execute(LETTER, 17, b'{"a": 1}', "HELD")
    await connection.execute(LETTER, 18, b'{"b": 1}', "DISCARDED")
    groups = Groups()
    await add_letters(groups, target, "inventory")
    [group] = groups.all()
    assert group.source == "dead letters"
    assert group.first.place.endswith("orders.order.v1[3]@17")
    assert group.first.type == "orders.order-placed.v1"


async def test_a_database_that_does_not_answer_is_named() -> None:
    with pytest.raises(UserError, match="The database of inventory cannot be read"):
        await add_letters(Groups(), target_of("postgresql://x:x@127.0.0.1:1/x"), "inventory")
