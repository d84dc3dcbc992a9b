"""While two releases run, each one finds the times of a reservation that the other one has written."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from chassis.events import new_id

DECIDED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ENDED = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)

# The statements of release 0.1.0.
OLD_INSERT = text("""
    INSERT INTO reservations (order_id, state, lines, version, updated_at) VALUES (:order_id, :state, '[]', 1, :now)
""")
OLD_SAVE = text(
    "UPDATE reservations SET state = :state, version = 2, updated_at = :now WHERE order_id = :order_id"
)
TIMES = text("SELECT decided_at, ended_at, updated_at FROM reservations WHERE order_id = :order_id")


async def run(floor: Any, statement: Any, **values: object) -> None:
    async with floor.db.transaction() as tx:
        await tx.connection.execute(statement, values)


async def times(floor: Any, order_id: object) -> tuple[Any, ...]:
    async with floor.db.reading() as connection:
        row = await connection.row(TIMES, {"order_id": order_id})
    return row.decided_at, row.ended_at, row.updated_at


@pytest.mark.parametrize(
    ("state", "expected"),
    [("RESERVED", (DECIDED, None)), ("REJECTED", (DECIDED, None)), ("TOMBSTONE", (None, DECIDED))],
)
async def test_a_reservation_of_the_release_before_has_its_time(
    floor: Any, state: str, expected: tuple[Any, ...]
) -> None:
    order_id = new_id()
    await run(floor, OLD_INSERT, order_id=order_id, state=state, now=DECIDED)
    assert await times(floor, order_id) == (*expected, DECIDED)


async def test_the_release_before_ends_a_reservation_and_its_decision_keeps_its_time(floor: Any) -> None:
    order_id = new_id()
    await run(floor, OLD_INSERT, order_id=order_id, state="RESERVED", now=DECIDED)
    await run(floor, OLD_SAVE, order_id=order_id, state="RELEASED", now=ENDED)
    assert await times(floor, order_id) == (DECIDED, ENDED, ENDED)


async def test_the_release_before_finds_the_time_of_this_one(floor: Any) -> None:
    await floor.stock(mug=5)
    order_id, buried = new_id(), new_id()
    await floor.reserve((order_id, {"mug": 1}))
    await floor.release(buried)
    decided_at, ended_at, updated_at = await times(floor, order_id)
    assert decided_at is not None
    assert (ended_at, updated_at) == (None, decided_at)
    await floor.commit(order_id)
    kept, ended_at, updated_at = await times(floor, order_id)
    assert (kept, updated_at) == (decided_at, ended_at)
    assert ended_at > decided_at
    decided_at, ended_at, updated_at = await times(floor, buried)
    assert decided_at is None
    assert updated_at == ended_at
