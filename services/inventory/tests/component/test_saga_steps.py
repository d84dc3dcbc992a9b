"""What orders do to stock, on a real PostgreSQL: the handlers batch by batch."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from chassis.events import new_id
from inventory import db, handlers
from inventory.domain import IllegalTransition, NotEnoughStock, State, StockAction, UnknownReservation
from inventory.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderRejected,
    Shortage,
    StockCommitted,
    StockLine,
    StockRejected,
    StockReleased,
    StockReserved,
)
from testkit import published, received, statements


async def test_a_placed_order_reserves_all_of_its_lines(floor: Any) -> None:
    await floor.stock(mug=5, cup=5)
    order = new_id()
    [event] = await floor.reserve((order, {"mug": 2, "cup": 1}))
    assert isinstance(event, StockReserved)
    assert event.lines == (StockLine(sku="mug", quantity=2), StockLine(sku="cup", quantity=1))
    assert (event.order_id, event.version) == (order, 1)
    assert await floor.counts("mug") == (5, 2, 0)
    assert await floor.counts("cup") == (5, 1, 0)
    assert (await floor.held(order)).state is State.RESERVED


async def test_an_order_that_lacks_one_sku_is_rejected_and_takes_nothing(floor: Any) -> None:
    await floor.stock(mug=5)
    order = new_id()
    [event] = await floor.reserve((order, {"mug": 2, "ghost": 1}))
    assert isinstance(event, StockRejected)
    assert event.shortages == (Shortage(sku="ghost", requested=1, available=0),)
    assert await floor.counts("mug") == (5, 0, 0)
    held = await floor.held(order)
    assert (held.state, held.version) == (State.REJECTED, 1)


async def test_a_batch_is_decided_in_the_order_of_arrival(floor: Any) -> None:
    await floor.stock(mug=3)
    # Descending ids: neither the lock order nor the primary key may decide who comes first.
    orders = sorted((new_id() for _ in range(3)), reverse=True)
    events = await floor.reserve(*((order, {"mug": 2}) for order in orders))
    assert [isinstance(event, StockReserved) for event in events] == [True, False, False]
    assert [event.subject for event in events] == [str(order) for order in orders]
    assert await floor.counts("mug") == (3, 2, 0)


async def test_an_order_that_comes_again_reserves_nothing_more(floor: Any) -> None:
    await floor.stock(mug=5)
    order, other = new_id(), new_id()
    await floor.reserve((order, {"mug": 2}))
    events = await floor.reserve((order, {"mug": 2}), (other, {"mug": 1}))
    assert [event.subject for event in events] == [str(other)]
    assert await floor.counts("mug") == (5, 3, 0)
    assert await floor.reserve((order, {"mug": 2})) == []


async def test_a_confirmed_order_sells_its_stock(floor: Any) -> None:
    await floor.stock(mug=5)
    order = new_id()
    await floor.reserve((order, {"mug": 2}))
    [event] = await floor.commit(order)
    assert isinstance(event, StockCommitted)
    assert (event.version, event.lines) == (2, (StockLine(sku="mug", quantity=2),))
    assert await floor.counts("mug") == (3, 0, 2)
    assert (await floor.held(order)).state is State.COMMITTED
    assert await floor.commit(order) == []
    assert await floor.counts("mug") == (3, 0, 2)


@pytest.mark.parametrize(
    ("release", "ended"),
    [
        (handlers.release_stock_of_cancelled, OrderCancelled),
        (handlers.release_stock_of_rejected, OrderRejected),
    ],
)
async def test_an_ended_order_gives_its_stock_back_once(floor: Any, release: Any, ended: Any) -> None:
    await floor.stock(mug=5)
    order = new_id()
    await floor.reserve((order, {"mug": 2}))
    for expected in (1, 0):
        async with floor.db.transaction() as tx:
            await release(tx, [received(ended(order_id=order))])
            events = await published(tx)
            assert len(events) == expected
            assert all(isinstance(event, StockReleased) and event.version == 2 for event in events)
    assert await floor.counts("mug") == (5, 0, 0)
    assert (await floor.held(order)).state is State.RELEASED


async def test_the_release_of_a_rejected_or_committed_order_changes_nothing(floor: Any) -> None:
    await floor.stock(mug=5)
    rejected, committed = new_id(), new_id()
    await floor.reserve((rejected, {"mug": 9}), (committed, {"mug": 2}))
    await floor.commit(committed)
    assert await floor.release(rejected, committed) == []
    assert (await floor.held(rejected)).state is State.REJECTED
    assert (await floor.held(committed)).state is State.COMMITTED
    assert await floor.counts("mug") == (3, 0, 2)


async def test_a_cancellation_before_its_order_leaves_a_tombstone_and_the_order_reserves_nothing(
    floor: Any,
) -> None:
    await floor.stock(mug=5)
    order = new_id()
    assert await floor.release(order) == []
    assert await floor.release(order) == []
    assert (await floor.held(order)).state is State.TOMBSTONE
    assert await floor.reserve((order, {"mug": 2})) == []
    assert (await floor.held(order)).state is State.TOMBSTONE
    assert await floor.counts("mug") == (5, 0, 0)


async def test_an_order_that_holds_nothing_cannot_be_committed(floor: Any) -> None:
    await floor.stock(mug=5)
    unknown, buried, good = new_id(), new_id(), new_id()
    await floor.release(buried)
    await floor.reserve((good, {"mug": 1}))
    with pytest.raises(UnknownReservation):
        await floor.commit(good, unknown)
    with pytest.raises(IllegalTransition):
        await floor.commit(good, buried)
    assert await floor.counts("mug") == (5, 1, 0)


async def test_what_is_published_goes_on_with_the_cause_of_its_order(floor: Any) -> None:
    await floor.stock(mug=5)
    events = [received(floor.placed(new_id(), {"mug": 1})) for _ in range(3)]
    async with floor.db.transaction() as tx:
        await handlers.reserve_stock(tx, events)
    async with floor.db.reading() as connection:
        rows = await connection.rows(
            text(
                "SELECT key, causation_id FROM outbox WHERE type = 'inventory.stock-reserved.v1' ORDER BY id"
            )
        )
        assert [tuple(row) for row in rows] == [(str(e.data.order_id), e.cause.event_id) for e in events]


# --- Replicas -------------------------------------------------------------------------------------


async def test_replicas_that_want_the_same_skus_neither_deadlock_nor_oversell(floor: Any) -> None:
    await floor.stock(mug=60, cup=60)
    batches = [
        [(new_id(), {"mug": 1, "cup": 1} if number % 2 else {"cup": 1, "mug": 1}) for _ in range(10)]
        for number in range(8)
    ]
    answers = await asyncio.gather(*(floor.reserve(*batch) for batch in batches))
    events = [event for answer in answers for event in answer]
    assert sum(isinstance(event, StockReserved) for event in events) == 60
    assert sum(isinstance(event, StockRejected) for event in events) == 20
    held = [event.order_id for event in events if isinstance(event, StockReserved)]
    await asyncio.gather(
        floor.commit(*held[:20]), floor.release(*held[20:40]), floor.commit(*reversed(held[40:]))
    )
    assert await floor.counts("mug") == await floor.counts("cup") == (20, 0, 40)


async def test_of_two_replicas_that_reserve_one_order_one_does(floor: Any) -> None:
    await floor.stock(mug=50)
    orders = [new_id() for _ in range(10)]
    answers = await asyncio.gather(
        floor.reserve(*((order, {"mug": 1}) for order in orders)),
        floor.reserve(*((order, {"mug": 1}) for order in reversed(orders))),
    )
    assert sorted(event.subject for answer in answers for event in answer) == sorted(map(str, orders))
    assert await floor.counts("mug") == (50, 10, 0)


async def test_a_release_that_races_its_order_leaves_nothing_reserved(floor: Any) -> None:
    await floor.stock(mug=500)
    orders = [new_id() for _ in range(40)]
    await asyncio.gather(
        *(floor.reserve((order, {"mug": 1})) for order in orders),
        *(floor.release(order) for order in orders),
    )
    assert {(await floor.held(order)).state for order in orders} <= {State.TOMBSTONE, State.RELEASED}
    assert await floor.counts("mug") == (500, 0, 0)


async def test_a_commit_and_a_release_of_one_order_have_one_winner(floor: Any) -> None:
    await floor.stock(mug=500)
    orders = [new_id() for _ in range(20)]
    await floor.reserve(*((order, {"mug": 1}) for order in orders))

    async def commit(order: UUID) -> None:
        with suppress(IllegalTransition):
            await floor.commit(order)

    await asyncio.gather(*(commit(order) for order in orders), *(floor.release(order) for order in orders))
    states = [(await floor.held(order)).state for order in orders]
    sold = states.count(State.COMMITTED)
    assert states.count(State.RELEASED) == 20 - sold
    assert await floor.counts("mug") == (500 - sold, 0, sold)


async def test_transactions_of_several_calls_take_turns_and_never_deadlock(floor: Any) -> None:
    """A consumer's batch holds several event types: its calls lock one set of SKUs after the other."""
    await floor.stock(mug=100, cup=100)
    mugs, cups = [new_id() for _ in range(20)], [new_id() for _ in range(20)]
    await floor.reserve(*((order, {"mug": 1}) for order in mugs), *((order, {"cup": 1}) for order in cups))

    async def batch(first: UUID, sku: str, second: UUID) -> None:
        async with floor.db.transaction() as tx:
            await handlers.release_stock_of_cancelled(tx, [received(OrderCancelled(order_id=first))])
            await handlers.reserve_stock(tx, [received(floor.placed(new_id(), {sku: 1}))])
            await handlers.commit_stock(tx, [received(OrderConfirmed(order_id=second))])

    await asyncio.gather(
        *(batch(mug, "cup", cup) for mug, cup in zip(mugs[:10], cups[:10], strict=True)),
        *(batch(cup, "mug", mug) for mug, cup in zip(mugs[10:], cups[10:], strict=True)),
    )
    assert await floor.counts("mug") == await floor.counts("cup") == (90, 10, 10)


# --- Guards ---------------------------------------------------------------------------------------


async def test_the_guard_stops_a_decision_that_was_made_on_stale_counts(floor: Any) -> None:
    await floor.stock(mug=1, cup=9)
    with pytest.raises(NotEnoughStock, match="mug"):
        async with floor.db.transaction() as tx:
            await db.move_stock(tx.connection, StockAction.RESERVE, {"cup": 1, "mug": 2})
    with pytest.raises(NotEnoughStock):
        async with floor.db.transaction() as tx:
            await db.move_stock(tx.connection, StockAction.RELEASE, {"mug": 1})
    assert await floor.counts("cup") == (9, 0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        "reserved = on_hand + 1",
        "reserved = -1",
        "sold = sold + 1",
        "on_hand = on_hand + 1",
        "sold = -1, on_hand = on_hand + 1",
        "price_minor = 0",
    ],
)
async def test_the_table_refuses_counts_that_cannot_be(floor: Any, wrong: str) -> None:
    await floor.stock(mug=1)
    with pytest.raises(asyncpg.CheckViolationError):
        async with floor.db.transaction() as tx:
            await tx.connection.execute(text(f"UPDATE products SET {wrong}"))


# --- Cost -----------------------------------------------------------------------------------------


async def test_a_batch_costs_the_same_few_statements_however_many_orders_are_in_it(floor: Any) -> None:
    await floor.stock(mug=1000, cup=1000)
    costs = [await _cost(floor, batch) for batch in (2, 60)]
    # One more than each use case says of itself: the outbox.
    assert costs == [{"reserve": 5, "commit": 4, "release": 5, "release nothing": 2}] * 2


async def _cost(floor: Any, batch: int) -> dict[str, int]:
    sold, freed, short = ([new_id() for _ in range(batch)] for _ in range(3))
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "reserve": lambda: floor.reserve(
            *((order, {"mug": 1, "cup": 1}) for order in sold + freed),
            *((order, {"ghost": 1}) for order in short),
        ),
        "commit": lambda: floor.commit(*sold),
        "release": lambda: floor.release(*freed),
        "release nothing": lambda: floor.release(*short),
    }
    costs = {}
    for name, call in calls.items():
        with statements() as sent:
            await call()
        costs[name] = len(sent)
    return costs
