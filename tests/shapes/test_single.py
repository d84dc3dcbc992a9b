"""A saga that is one transaction: the states that it never shows, kills during it, and orders beside a slow card."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from shop_load.plans import Scenario
from shop_oracle.evidence import Evidence
from shop_stack import embedded
from shop_stack.shapes import Shape
from testkit import eventually

IN_PROGRESS = {"orders": {"PENDING"}, "reservations": {"RESERVED"}, "payments": {"AWAITING", "DUE"}}
LOST = ("CANCELLED", "unknown_order")
CALLING = "SELECT order_id FROM payments WHERE state = 'CAPTURING'"
LOCK_WAIT = """
    SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE payments p%' AND datname = current_database()
"""


@pytest.fixture
def single(floor: Any) -> None:
    """Only shapes whose saga is one transaction."""
    if not floor.stack.shape.is_single:
        pytest.skip("each step has a transaction of its own")


@asynccontextmanager
async def owner_of(floor: Any, service: str) -> AsyncIterator[Any]:
    """A connection of the owner of a service's tables."""
    connection = await asyncpg.connect(floor.target.database_urls[service])
    try:
        yield connection
    finally:
        await connection.close()


async def states_seen(floor: Any, done: asyncio.Event) -> dict[str, set[str]]:
    """The states that another connection sees until `done`, by table."""
    tables = {"orders": "orders", "reservations": "inventory", "payments": "payments"}
    seen: dict[str, set[str]] = {table: set() for table in tables}
    while not done.is_set():
        for table, service in tables.items():
            async with owner_of(floor, service) as owner:
                rows = await owner.fetch(f"SELECT DISTINCT state FROM {table}")
                seen[table] |= {row["state"] for row in rows}
    return seen


@pytest.mark.usefixtures("single")
async def test_no_other_connection_sees_an_order_in_progress(floor: Any) -> None:
    done = asyncio.Event()
    looking = asyncio.create_task(states_seen(floor, done))
    await floor.serve(floor.run(20))
    done.set()
    seen = await looking
    assert seen["orders"] >= {"CONFIRMED", "REJECTED"}
    assert {table: seen[table] & states for table, states in IN_PROGRESS.items()} == {
        table: set() for table in IN_PROGRESS
    }


@pytest.mark.usefixtures("single")
async def test_a_login_of_one_module_can_act_as_another_and_has_no_right_of_it_before(floor: Any) -> None:
    async with acting_as(floor, "orders") as orders:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await orders.fetch("SELECT FROM payments.payments")
        await orders.execute("SET ROLE payments")
        await orders.fetch("SELECT FROM payments.payments")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await orders.fetch("SELECT FROM orders.orders")
    async with acting_as(floor, "payments") as payments:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await payments.execute("SET ROLE orders")


@asynccontextmanager
async def acting_as(floor: Any, service: str) -> AsyncIterator[Any]:
    """A connection with the login of a service."""
    roles = floor.stack.passwords.roles(service)
    url = floor.stack.server.url(floor.stack.database_of(service), roles.name, roles.password)
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_confirmed_order_is_two_transactions_or_seven(floor: Any) -> None:
    shape = floor.stack.shape
    if not shape.is_single and shape != Shape.parse("monolith"):
        pytest.skip("counted in a monolith")
    (placed,) = await floor.serve(floor.run(1, only=Scenario.CONFIRMED))
    evidence = await floor.assert_that_the_oracle_holds()
    events = [row.event_id for row in evidence.outbox if row.key == placed.order_id]
    async with owner_of(floor, "payments") as payments:
        charged = await payments.fetchval(
            "SELECT attempts FROM payments WHERE order_id = $1::uuid", placed.order_id
        )
    # Each claim of the charge is one more. The two events that open the payment may be in one batch.
    found = len(await transactions_of(floor, events)) + charged
    assert found == 2 if shape.is_single else found in (7, 8)


async def transactions_of(floor: Any, events: list[Any]) -> set[int]:
    """The ids of the transactions that wrote and handled these events in the modules of the saga."""
    found: set[int] = set()
    for service in ("orders", "inventory", "payments"):
        async with owner_of(floor, service) as owner:
            rows = await owner.fetch(
                "SELECT xid::text AS xid FROM outbox WHERE event_id = ANY($1::uuid[])"
                " UNION SELECT xmin::text FROM inbox WHERE event_id = ANY($1::uuid[])",
                [str(event) for event in events],
            )
            found |= {int(row["xid"]) for row in rows}
    return found


async def kill_during_the_call(floor: Any, unit: str) -> None:
    """Kill the process when the processor has made a charge that it has not answered yet."""

    async def charge_is_made() -> None:
        async with owner_of(floor, "payments") as payments, httpx.AsyncClient(trust_env=False) as http:
            calling = {str(row["order_id"]) for row in await payments.fetch(CALLING)}
            ledger = (await http.get(f"{floor.target.processor_url}/ledger")).json()
            assert calling & {entry["reference"] for entry in ledger["entries"]}

    await eventually(charge_is_made, 30)
    await embedded.kill(floor.stack, unit)


async def kill_before_the_commit(floor: Any, unit: str) -> None:
    """Kill the process when it has the processor's answer, and waits for a lock to record it."""
    database = floor.stack.database_of("payments")
    async with owner_of(floor, "payments") as payments, floor.stack.server.connected(database) as superuser:
        transaction = payments.transaction()
        await transaction.start()

        async def intent_is_locked() -> None:
            assert await payments.fetch(f"{CALLING} FOR UPDATE")

        async def answer_is_there() -> None:
            assert await superuser.fetchval(LOCK_WAIT)

        await eventually(intent_is_locked, 30)
        await eventually(answer_is_there, 30)
        await embedded.kill(floor.stack, unit)
        await transaction.rollback()


@pytest.mark.usefixtures("single")
@pytest.mark.parametrize("kill", [kill_during_the_call, kill_before_the_commit])
async def test_a_charge_whose_transaction_did_not_commit_is_refunded(floor: Any, kill: Any) -> None:
    before = lost_orders(await floor.assert_that_the_oracle_holds())
    unit = floor.unit_of("orders")

    async def crash() -> None:
        await kill(floor, unit)
        await embedded.start(floor.stack, unit)

    (placed,), _ = await asyncio.gather(floor.serve(floor.run(1, only=Scenario.TIMED_OUT)), crash())
    evidence = await floor.assert_that_the_oracle_holds()
    again = evidence.orders[placed.order_id]
    assert (again.state, again.reason) == ("REJECTED", "payment_declined"), "the token pays for one charge"
    (lost,) = lost_orders(evidence) - before
    async with owner_of(floor, "payments") as payments:
        refunds = await payments.fetch("SELECT state FROM refunds WHERE order_id = $1::uuid", lost)
    assert [refund["state"] for refund in refunds] == ["REFUNDED"]


def lost_orders(evidence: Evidence) -> set[str]:
    """Orders of which only the charge was left."""
    return {order_id for order_id, order in evidence.orders.items() if (order.state, order.reason) == LOST}


@pytest.mark.usefixtures("single")
async def test_other_orders_wait_for_a_slow_processor(floor: Any) -> None:
    async with owner_of(floor, "payments") as payments:

        async def call_has_begun() -> None:
            assert await payments.fetch(CALLING)

        slow = asyncio.create_task(floor.serve(floor.run(1, only=Scenario.TIMED_OUT)))
        await eventually(call_has_begun, 30)
        await floor.serve(floor.run(1, only=Scenario.CONFIRMED))
        assert await payments.fetch(CALLING) == [], (
            "the slow call has ended before the other order was accepted"
        )
        await slow
