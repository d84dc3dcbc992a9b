"""The release before runs on the tables without `updated_at`: it names the two new columns alone."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from chassis.events import new_id

DECIDED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ENDED = datetime(2026, 3, 2, 9, 1, tzinfo=UTC)

# The statements of release 0.2.0.
BEFORE_INSERT = text("""
    INSERT INTO reservations (order_id, state, lines, version, decided_at, ended_at)
    VALUES (:order_id, 'RESERVED', '[]', 1, :now, NULL)
""")
BEFORE_SAVE = text("""
    UPDATE reservations SET state = 'RELEASED', version = 2, ended_at = :now WHERE order_id = :order_id
""")
BEFORE_READ = text("""
    SELECT order_id, state, lines, version, decided_at, ended_at FROM reservations WHERE order_id = :order_id
""")


async def test_the_statements_of_the_release_before_still_run(floor: Any) -> None:
    order_id = new_id()
    async with floor.db.transaction() as tx:
        await tx.connection.execute(BEFORE_INSERT, {"order_id": order_id, "now": DECIDED})
        await tx.connection.execute(BEFORE_SAVE, {"order_id": order_id, "now": ENDED})
        row = await tx.connection.row(BEFORE_READ, {"order_id": order_id})
    assert (row.state, row.decided_at, row.ended_at) == ("RELEASED", DECIDED, ENDED)
