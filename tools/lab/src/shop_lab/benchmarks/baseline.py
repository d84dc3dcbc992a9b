"""The baseline: the cost of an order in PostgreSQL and Kafka alone, without the shop.

pgbench (`-M prepared`) runs order.sql on copies of the services' tables. Plain aiokafka sends and reads the messages
(probes/bare_kafka.py). Both run at the same time, as in the shop.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_lab import probe_runner
from shop_lab.benchmarks import pgbench
from shop_lab.testbed import Testbed
from shop_stack import postgres_programs, topics
from shop_stack.errors import UserError
from shop_stack.process import run
from shop_stack.stack import KAFKA, POSTGRES
from shop_stack.topics import Topic

SCRIPT = Path(__file__).with_name("order.sql")
DATABASE = "baseline"
PREFIX = "baseline."
MEASURED = ("orders", "inventory", "payments", "notifications", "analytics")
"""The services whose work the script repeats. The work of a service that is added later is a cost of the shop."""
EVENTS = (
    ("orders.order-placed.v1", "orders.order.v1", "placed"),
    ("inventory.stock-reserved.v1", "inventory.reservation.v1", "reserved"),
    ("payments.payment-captured.v1", "payments.payment.v1", "captured"),
    ("orders.order-confirmed.v1", "orders.order.v1", "confirmed"),
    ("inventory.stock-committed.v1", "inventory.reservation.v1", "committed"),
    ("notifications.notification-sent.v1", "notifications.notification.v1", "sent"),
)
"""The events of a confirmed order: type, topic, the variable of the script with its data."""
ORDER_ID = "01980000-0000-7000-8000-00000000000a"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The cost of so many orders without the shop."""

    orders: int
    wall: float
    sql: float
    """CPU seconds of PostgreSQL."""
    kafka: float
    """CPU seconds of the broker."""
    clients: float
    """CPU seconds of pgbench and of the bare Kafka clients."""

    @property
    def rate(self) -> float:
        """Orders per second."""
        return self.orders / self.wall

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds per order."""
        return 1000 * (self.sql + self.kafka + self.clients) / self.orders

    @property
    def cpu_ms_by_part(self) -> dict[str, float]:
        """The same by process."""
        parts = {"postgres": self.sql, "kafka": self.kafka, "clients": self.clients}
        return {name: 1000 * seconds / self.orders for name, seconds in parts.items()}


async def build(testbed: Testbed) -> None:
    """Create the baseline's topics, and its database with one schema per service, a copy of the service's tables."""
    async with testbed.database("postgres") as connection:
        await connection.execute(f"CREATE DATABASE {DATABASE}")
    async with testbed.database(DATABASE) as connection:
        await fill(connection, testbed.target.database_urls)
    declared = topics.declared(testbed.target.contracts)
    used = {topic for _, topic, _ in EVENTS}
    copies = [Topic(PREFIX + t.name, t.partitions, t.settings) for t in declared if t.name in used]
    await topics.declare(testbed.kafka, copies)


async def fill(connection: Any, database_urls: Mapping[str, str]) -> None:
    """Copy the tables of each service into a schema of its name, and insert products.

    Triggers are dropped: the totals that they maintain for analytics' reports are work of the shop, and not rows of
    an order.
    """
    for service in MEASURED:
        await connection.execute(f"CREATE SCHEMA {service}")
        await connection.execute(await _tables(service, database_urls[service]))
    for table, trigger in await connection.fetch(_TRIGGERS):
        await connection.execute(f"DROP TRIGGER {trigger} ON {table}")
    await connection.execute(_STOCK)


async def measure(testbed: Testbed, orders: int) -> Baseline:
    """Measure the baseline of about `orders` orders while the services are stopped."""
    orders = orders // pgbench.CLIENTS * pgbench.CLIENTS
    async with testbed.without_services():
        before = testbed.clock()
        sql, kafka = await asyncio.gather(
            pgbench.run(testbed, SCRIPT, DATABASE, orders, values(testbed.target.contracts)),
            _bare_kafka(testbed, orders),
        )
        spent = testbed.clock().since(before)
    return Baseline(
        orders=orders,
        wall=max(sql.wall, kafka["wall"]),
        sql=spent.parts[POSTGRES],
        kafka=spent.parts[KAFKA],
        clients=sql.cpu + kafka["cpu"],
    )


def values(contracts: Path) -> dict[str, str]:
    """The script's variables: the data of the contracts' example events, and the other values of the rows."""
    line = {"sku": "BENCH-01", "quantity": 2, "unit_price_minor": 101}
    total = {"amount_minor": 500, "currency": "EUR"}
    at = "2026-03-02T09:00:00.250000+00:00"
    return {
        **{name: _example(contracts, type) for type, _, name in EVENTS},
        "lines": json.dumps([line, line]),
        "history": json.dumps([{"event": "orders.order-placed.v1", "state": "PENDING", "at": at}]),
        "answer": json.dumps({"order_id": ORDER_ID, "state": "PENDING", "total": total, "deadline_at": at}),
        "cause": json.dumps({"event_id": ORDER_ID, "correlation_id": ORDER_ID, "traceparent": TRACEPARENT}),
        "traceparent": TRACEPARENT,
    }


def _example(contracts: Path, type: str) -> str:
    file = contracts / "events" / type.removesuffix(".v1") / "examples" / "confirmed-order.json"
    return json.dumps(json.loads(file.read_text()), separators=(",", ":"))


async def _tables(service: str, database_url: str) -> str:
    """The statements that create a service's tables in a schema of the service's name. Raises UserError."""
    argv = [str(postgres_programs.binaries() / "pg_dump"), "--schema-only", "--no-owner", "--no-privileges"]
    code, output = await run([*argv, "--schema=public", database_url], env=os.environ)
    if code != 0:
        raise UserError(f"The tables of {service} could not be copied for the baseline: {output[-300:]}")
    # Lines for psql, for the session and for the schema itself are left out.
    unwanted = ("\\", "SET ", "SELECT pg_catalog.set_config", "CREATE SCHEMA", "COMMENT ON SCHEMA")
    kept = [line for line in output.splitlines() if not line.startswith(unwanted)]
    return "\n".join(kept).replace("public.", f"{service}.")


async def _bare_kafka(testbed: Testbed, orders: int) -> dict[str, float]:
    examples = values(testbed.target.contracts)
    return await probe_runner.run_probe(
        "bare_kafka",
        kafka=testbed.kafka,
        prefix=PREFIX,
        orders=orders,
        kinds=[[type, topic, examples[name]] for type, topic, name in EVENTS],
    )


_TRIGGERS = """
    SELECT tgrelid::regclass::text, quote_ident(tgname) FROM pg_trigger WHERE NOT tgisinternal
"""

_STOCK = """
    INSERT INTO inventory.products
    SELECT 'BENCH-' || lpad(n::text, 2, '0'), 'Bench', 100 + n, 'EUR', 1, 1000000000, 0, 1000000000, 0, 0
    FROM generate_series(0, 63) AS n;
    INSERT INTO orders.prices
    SELECT sku, name, price_minor, currency, version FROM inventory.products;
"""
