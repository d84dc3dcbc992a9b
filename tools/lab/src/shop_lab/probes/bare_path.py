"""The bare path: the commits and Kafka hops from an order's request to its confirmation, one after another."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from shop_lab.probes import main
from shop_lab.probes.messages import headers_of
from shop_lab.probes.sql import Statement, transactions

PATH = (
    ("orders: place_order", "orders.order-placed.v1", "orders.order.v1", "placed"),
    ("inventory: reserve_stock", "inventory.stock-reserved.v1", "inventory.reservation.v1", "reserved"),
    ("payments: open_payment", None, None, None),
    ("payments: capture_payment", None, None, None),
    (
        "payments: settle, before and after the processor is asked",
        "payments.payment-captured.v1",
        "payments.payment.v1",
        "captured",
    ),
    ("orders: confirm_order", None, None, None),
)
"""(name of the transaction in the script, event that is sent after it: type, topic, data).

The transaction that opens the payment is not on the path. It is done untimed, because the next steps need its row."""
UNTIMED = "payments: open_payment"


async def walk(
    kafka: Mapping[str, Any], prefix: str, database: str, script: str, values: dict[str, str], orders: int
) -> dict[str, Any]:
    """Walk the path for `orders` orders. Returns the sorted seconds of each."""
    steps = transactions(Path(script))
    connection = await asyncpg.connect(database)
    producer = AIOKafkaProducer(**kafka, acks="all", enable_idempotence=True)
    topics = [prefix + topic for _, _, topic, _ in PATH if topic]
    consumer = AIOKafkaConsumer(*topics, **kafka, auto_offset_reset="latest")
    await producer.start()
    await consumer.start()
    await consumer.seek_to_end()
    seconds = []
    for _ in range(orders + 10):
        ids = {
            name: str(uuid.uuid4()) for name in ("order_id", "payment_id", *(f"e{n}" for n in range(1, 7)))
        }
        variables = {**values, **ids, "first": "1", "second": "40"}
        taken = 0.0
        for name, type, topic, data in PATH:
            began = time.perf_counter()
            for transaction in steps[name]:
                await _commit(connection, transaction, variables)
            if type and topic and data:
                await _hop(producer, consumer, prefix + topic, type, variables["order_id"], values[data])
            if name != UNTIMED:
                taken += time.perf_counter() - began
        seconds.append(taken)
    await producer.stop()
    await consumer.stop()
    await connection.close()
    return {"seconds": sorted(seconds[10:])}  # the first ten prepare statements and fetch metadata


async def _commit(
    connection: asyncpg.Connection[asyncpg.Record], statements: list[Statement], values: dict[str, str]
) -> None:
    async with connection.transaction():
        for statement in statements:
            await connection.fetch(statement.text, *statement.arguments(values))


async def _hop(
    producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, topic: str, type: str, key: str, value: str
) -> None:
    await producer.send_and_wait(
        topic, value=value.encode(), key=key.encode(), headers=headers_of(type, key.encode())
    )
    while (await consumer.getone()).key != key.encode():
        pass


if __name__ == "__main__":
    main(walk)
