"""A customer has a limited number of PENDING orders, so the unpaid orders of one customer do not hold all the stock."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from chassis.outbox import Database
from chassis.tuning import planner
from orders.domain import TooManyPendingOrders
from orders.main import create_service
from orders.settings import Settings
from testkit import client, login, statements

MOST = 3
ORDER = {"lines": [{"sku": "mug", "quantity": 1}], "currency": "EUR", "payment_token": "tok_ok"}
BOB = login("orders", "c-bob", ["customer"])


@pytest.fixture
async def limited(floor: Any, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of c-ada on a service that takes MOST PENDING orders of a customer."""
    settings = Settings(
        database_url=url,
        kafka_bootstrap_servers="127.0.0.1:1",
        role="api",
        orders_max_pending_per_customer=MOST,
    )
    async with client(create_service(settings), "c-ada", ["customer"]) as http:
        yield http


async def place(http: httpx.AsyncClient, **more: str) -> httpx.Response:
    return await http.post("/orders", json=ORDER, headers=more)


def assert_refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["type"]) == (
        429,
        "urn:shopfloor:problem:too-many-pending-orders",
    )
    assert answer.json()["limit"] == MOST
    assert int(answer.headers["retry-after"]) >= 1


async def count_orders(database: Database) -> int:
    async with database.reading() as connection:
        return int(await connection.value(text("SELECT count(*) FROM orders")))


async def test_a_customer_with_too_many_pending_orders_is_refused_and_no_other_customer(
    floor: Any, limited: httpx.AsyncClient
) -> None:
    taken = [(await place(limited)).status_code for _ in range(MOST)]
    assert taken == [202] * MOST
    assert_refused(await place(limited))
    assert await count_orders(floor.database) == MOST
    assert (await place(limited, **BOB)).status_code == 202


@pytest.mark.parametrize("ending", ["confirm", "reject_unpaid", "reject_unstocked", "cancel"])
async def test_an_order_that_has_ended_does_not_count(
    floor: Any, limited: httpx.AsyncClient, ending: str
) -> None:
    placed = [await floor.place() for _ in range(MOST)]
    assert_refused(await place(limited))
    await getattr(floor, ending)(placed[0])
    assert (await place(limited)).status_code == 202
    assert_refused(await place(limited))


async def test_a_repeated_request_gets_its_first_answer_at_the_limit(limited: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first = await place(limited, **key)
    for _ in range(MOST - 1):
        await place(limited)
    assert_refused(await place(limited))
    assert (await place(limited, **key)).json() == first.json()


async def test_orders_of_the_same_moment_exceed_the_limit_by_no_more_than_the_connections(
    floor: Any, limited: httpx.AsyncClient
) -> None:
    """Each transaction counts what was committed before it. So each open transaction may add one order."""
    connections = Settings.model_fields["database_pool_size"].default
    for _ in range(MOST - 1):
        await floor.place()
    answers = await asyncio.gather(*(place(limited) for _ in range(5 * connections)))
    taken = sum(answer.status_code == 202 for answer in answers)
    assert 1 <= taken <= connections
    assert await count_orders(floor.database) == MOST - 1 + taken
    assert_refused(await place(limited))


async def test_the_limit_is_checked_by_the_handler_for_every_caller_of_it(floor: Any) -> None:
    await floor.place(most_pending=1)
    with pytest.raises(TooManyPendingOrders):
        await floor.place(most_pending=1)


async def test_the_count_reads_the_index_of_pending_orders(floor: Any, url: str) -> None:
    """A plan that was made on an empty table must be a good one when a customer has very many orders."""
    with statements() as sent:
        await floor.place()
    [counting] = [one for one in sent if "open_orders" in one]
    database = Database(url, server_settings=planner.SERVER_SETTINGS)
    async with database.reading() as connection:
        await connection.driver.execute(f"PREPARE terms AS {counting}")
        lines = await connection.driver.fetch("EXPLAIN EXECUTE terms (NULL, NULL, NULL)")
    await database.close()
    plan = "\n".join(line for (line,) in lines)
    # A bitmap scan would be one "on" the index. It leaves the entries of ended orders in the index.
    assert "Scan using orders_pending_of_customer" in plan, plan
