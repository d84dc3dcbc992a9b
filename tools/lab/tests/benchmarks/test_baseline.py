"""The baseline does what the shop does: no more, which would flatter the shop, and no less."""

from __future__ import annotations

import uuid
from importlib import import_module
from pathlib import Path

import asyncpg
import pytest

from shop_lab.benchmarks import baseline
from shop_lab.probes.bare_path import PATH
from shop_lab.probes.sql import statement, transactions
from shop_stack import paths
from testkit.databases import MakeDatabase

CONFIRMED = {type for type, _, _ in baseline.EVENTS}
IDS = ("order_id", "payment_id", "letter_id", "e1", "e2", "e3", "e4", "e5", "e6")


def values_of_an_order() -> dict[str, str]:
    ids = {name: str(uuid.uuid4()) for name in IDS}
    return {**baseline.values(paths.contracts()), **ids, "first": "1", "second": "40"}


def test_variables_become_numbered_parameters_and_casts_stay() -> None:
    found = statement("UPDATE t SET a = :b::jsonb, c = :d WHERE e = :b::uuid")
    assert found.text == "UPDATE t SET a = $1::text::jsonb, c = $2::text WHERE e = $1::text::uuid"
    assert found.arguments({"d": "2", "b": "1"}) == ["1", "2"]


@pytest.mark.parametrize("service", baseline.MEASURED)
def test_it_takes_in_each_event_that_a_service_subscribes_to(service: str) -> None:
    subscriptions = import_module(f"{service}.subscriptions").SUBSCRIPTIONS.by_type
    handled = CONFIRMED & set(subscriptions)
    entered = baseline.SCRIPT.read_text().count(f"INSERT INTO {service}.inbox ")
    assert entered == len(handled), (
        f"{service} handles {sorted(handled)} of a confirmed order, and {baseline.SCRIPT.name} takes in {entered} of "
        "them. The baseline writes each row that the shop writes: give the event a transaction of this service there, "
        "or remove that of an event which it handles no more."
    )


def test_it_publishes_each_event_of_a_confirmed_order_once() -> None:
    script = baseline.SCRIPT.read_text()
    assert {type: script.count(f"'{type}'") for type in CONFIRMED} == dict.fromkeys(CONFIRMED, 1)


def test_the_bare_path_is_made_of_the_floors_transactions() -> None:
    assert {name for name, *_ in PATH} <= set(transactions(baseline.SCRIPT))


async def test_every_statement_fits_the_services_tables(database: MakeDatabase) -> None:
    connections = {
        name: await asyncpg.connect((await database(name)).owner_url) for name in baseline.MEASURED
    }
    values = values_of_an_order()
    try:
        for name, each in transactions(baseline.SCRIPT).items():
            service = name.partition(":")[0]
            for found in (one for transaction in each for one in transaction):
                text = found.text.replace(f"{service}.", "public.", 1)
                await connections[service].execute(text, *found.arguments(values))
        published = [await one.fetchval("SELECT count(*) FROM outbox") for one in connections.values()]
        assert sum(published) == len(baseline.EVENTS)
        state = await connections["orders"].fetchval("SELECT state FROM orders")
        assert state == "CONFIRMED"
    finally:
        for connection in connections.values():
            await connection.close()


async def test_every_transaction_runs_on_the_copied_tables(database: MakeDatabase, tmp_path: Path) -> None:
    urls = {name: (await database(name)).owner_url for name in baseline.MEASURED}
    values = values_of_an_order()
    copy = await asyncpg.connect((await database("orders", tmp_path)).owner_url)
    try:
        await baseline.fill(copy, urls)
        for each in transactions(baseline.SCRIPT).values():
            for found in (one for transaction in each for one in transaction):
                await copy.execute(found.text, *found.arguments(values))
        assert await copy.fetchval("SELECT state FROM orders.orders") == "CONFIRMED"
    finally:
        await copy.close()
