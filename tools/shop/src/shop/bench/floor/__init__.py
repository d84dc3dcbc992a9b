"""The floor: what PostgreSQL and Kafka cost by themselves for an order, with no shop around them.

Its SQL is order.sql, run by `pgbench -M prepared` on copies of the services' tables; its messages go through bare
aiokafka (probes/bare_kafka.py). Both run at once, as they do in the shop.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from shop.bench import cpu, programs
from shop.bench.stage import Stage
from shop.stack import postgres, topics
from shop.stack.parts import KAFKA, POSTGRES
from shop.stack.ports import SERVICES
from shop.stack.process import run
from shop.stack.topics import Topic
from shop.stack.trouble import Trouble

SCRIPT = Path(__file__).with_name("order.sql")
DATABASE = "floor"
PREFIX = "floor."
CLIENTS = 16
EVENTS = (
    ("orders.order-placed.v1", "orders.order.v1", "placed"),
    ("inventory.stock-reserved.v1", "inventory.reservation.v1", "reserved"),
    ("payments.payment-captured.v1", "payments.payment.v1", "captured"),
    ("orders.order-confirmed.v1", "orders.order.v1", "confirmed"),
    ("inventory.stock-committed.v1", "inventory.reservation.v1", "committed"),
    ("notifications.notification-sent.v1", "notifications.notification.v1", "sent"),
)
"""What a confirmed order publishes: type, topic, the script's name for its data."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What so many orders cost without a shop."""

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
        """CPU milliseconds of an order."""
        return 1000 * (self.sql + self.kafka + self.clients) / self.orders

    @property
    def cpu_ms_by_part(self) -> dict[str, float]:
        """The same by whose it was."""
        parts = {"postgres": self.sql, "kafka": self.kafka, "clients": self.clients}
        return {name: 1000 * seconds / self.orders for name, seconds in parts.items()}


async def build(stage: Stage) -> None:
    """Make the floor's database (a copy of each service's tables, in a schema each) and its topics."""
    async with stage.database("postgres") as connection:
        await connection.execute(f"CREATE DATABASE {DATABASE}")
    for service in SERVICES:
        tables = (await _dump(stage, service)).replace("public.", f"{service}.")
        async with stage.database(DATABASE) as connection:
            await connection.execute(f"CREATE SCHEMA {service}")
            await connection.execute(tables)
    async with stage.database(DATABASE) as connection:
        await connection.execute(_STOCK)
    declared = topics.declared(stage.target.contracts)
    used = {topic for _, topic, _ in EVENTS}
    copies = [
        Topic(PREFIX + topic.name, topic.partitions, topic.settings)
        for topic in declared
        if topic.name in used
    ]
    await topics.declare(stage.target.kafka, copies)


async def measure(stage: Stage, orders: int) -> Floor:
    """Take the floor of about `orders` orders, with the services stopped."""
    per_client = max(1, orders // CLIENTS)
    orders = per_client * CLIENTS
    async with stage.without_services():
        before = cpu.read(stage.stack)
        (pgbench, sql_wall), kafka = await asyncio.gather(
            asyncio.to_thread(_pgbench, stage, per_client), _bare_kafka(stage, orders)
        )
        spent = cpu.read(stage.stack).since(before)
    return Floor(
        orders=orders,
        wall=max(sql_wall, kafka["wall"]),
        sql=spent.parts[POSTGRES],
        kafka=spent.parts[KAFKA],
        clients=pgbench + kafka["cpu"],
    )


def values(contracts: Path) -> dict[str, str]:
    """The script's variables: the events' data as the contracts' examples have it, and what else a row holds."""
    data = {
        name: (contracts / "events" / type.removesuffix(".v1") / "examples" / "confirmed-order.json")
        for type, _, name in EVENTS
    }
    compact = {name: " ".join(file.read_text().split()) for name, file in data.items()}
    return {
        **compact,
        "lines": '[{"sku": "BENCH-01", "quantity": 2, "unit_price_minor": 101}, {"sku": "BENCH-40", "quantity": 1, "unit_price_minor": 140}]',
        "history": '[{"event": "orders.order-placed.v1", "state": "PENDING", "at": "2026-03-02T09:00:00.250000+00:00"}]',
        "answer": '{"order_id": "01980000-0000-7000-8000-00000000000a", "state": "PENDING", "total": {"amount_minor": 500, "currency": "EUR"}, "deadline_at": "2026-03-02T09:00:00.250Z"}',
        "cause": '{"event_id": "01980000-0000-7000-8000-00000000000a", "correlation_id": "01980000-0000-7000-8000-00000000000a", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}',
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }


async def _dump(stage: Stage, service: str) -> str:
    url = stage.target.database_urls[service]
    argv = [
        str(postgres.binaries() / "pg_dump"),
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--schema=public",
        url,
    ]
    code, output = await run(argv, env=os.environ)
    if code != 0:
        raise Trouble(f"The tables of {service} could not be copied for the floor: {output[-300:]}")
    # Lines with a backslash are for psql; an empty search path would hide the tables from the next statement.
    lines = [
        line
        for line in output.splitlines()
        if not line.startswith(("\\", "SET ", "SELECT pg_catalog.set_config"))
    ]
    return "\n".join(line for line in lines if "SCHEMA public" not in line)


def _pgbench(stage: Stage, per_client: int) -> tuple[float, float]:
    """Run the script; returns pgbench's own CPU seconds, and how long it took."""
    began = time.monotonic()
    server = stage.stack.server
    argv = [str(postgres.binaries() / "pgbench"), "-M", "prepared", "-n", "-f", str(SCRIPT)]
    argv += ["-c", str(CLIENTS), "-j", "2", "-t", str(per_client)]
    argv += [
        word for name, value in values(stage.target.contracts).items() for word in ("-D", f"{name}={value}")
    ]
    address = ["-h", server.host, "-p", str(server.port), "-U", server.superuser, DATABASE]
    environment = {**os.environ, "PGPASSWORD": server.password}
    child = subprocess.Popen(
        [*argv, *address], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert child.stdout is not None
    output = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0 or "number of failed transactions: 0 " not in output:
        raise Trouble(f"pgbench failed: {output[-600:]}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - began


async def _bare_kafka(stage: Stage, orders: int) -> dict[str, float]:
    examples = values(stage.target.contracts)
    return await programs.probe(
        "bare_kafka",
        bootstrap=stage.target.kafka,
        prefix=PREFIX,
        orders=orders,
        kinds=[[type, topic, examples[name]] for type, topic, name in EVENTS],
    )


_STOCK = """
    INSERT INTO inventory.products
    SELECT 'BENCH-' || lpad(n::text, 2, '0'), 'Bench', 100 + n, 'EUR', 1, 1000000000, 0, 1000000000, 0, 0
    FROM generate_series(0, 63) AS n;
    INSERT INTO orders.prices
    SELECT sku, name, price_minor, currency, version FROM inventory.products;
"""
