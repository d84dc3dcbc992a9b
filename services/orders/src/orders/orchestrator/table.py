"""The table of the orchestrated saga, and every query on it. It is empty if the saga is choreographed.

Each statement is for a batch of orders.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from chassis.postgres import Connection, Row
from orders.db import metadata
from orders.orchestrator.commands import Command
from orders.orchestrator.progress import Progress, seconds_until_repeat

__all__ = ["due_sagas", "insert_sagas", "lock_sagas", "metadata", "save_sagas"]

sagas = Table(
    "sagas",
    metadata,
    Column("order_id", Uuid, primary_key=True),
    Column("done", ARRAY(Text), nullable=False),
    # [{type, data}], the first one was sent. A card token is in it until the charge is answered.
    Column("queue", JSONB, nullable=False),
    Column("ending", Text),
    Column("sent", Integer, nullable=False),
    Column("due_at", DateTime(timezone=True)),
    Column("traceparent", Text),
)
Index("sagas_due", sagas.c.due_at, postgresql_where=text("due_at IS NOT NULL"))

_COLUMNS = "order_id, done, queue, ending, sent, traceparent"

_VALUES = """
    SELECT order_id, ARRAY(SELECT jsonb_array_elements_text(CAST(done AS jsonb))), CAST(queue AS jsonb), ending, sent,
           now() + make_interval(secs => pause), traceparent
    FROM unnest(CAST(:order_ids AS uuid[]), CAST(:done AS text[]), CAST(:queues AS text[]), CAST(:endings AS text[]),
                CAST(:sent AS integer[]), CAST(:pauses AS float8[]), CAST(:traceparents AS text[]))
         AS e (order_id, done, queue, ending, sent, pause, traceparent)
    ORDER BY order_id
"""

_INSERT = text(f"""
    INSERT INTO sagas (order_id, done, queue, ending, sent, due_at, traceparent) {_VALUES}
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id
""")

_SAVE = text(f"""
    INSERT INTO sagas (order_id, done, queue, ending, sent, due_at, traceparent) {_VALUES}
    ON CONFLICT (order_id) DO UPDATE
    SET done = excluded.done, queue = excluded.queue, ending = excluded.ending, sent = excluded.sent,
        due_at = excluded.due_at, traceparent = excluded.traceparent
""")

_LOCK = text(f"""
    SELECT {_COLUMNS} FROM sagas WHERE order_id = ANY(CAST(:order_ids AS uuid[])) ORDER BY order_id FOR UPDATE
""")

# Several replicas may run it at the same time. Each skips the rows that another one has locked.
_DUE = text(f"""
    SELECT {_COLUMNS} FROM sagas WHERE due_at < now() ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")


async def insert_sagas(connection: Connection, new: Sequence[Progress]) -> set[UUID]:
    """Insert the rows of orders that have none. Returns their ids."""
    return {row.order_id for row in await connection.rows(_INSERT, _columns(new))}


async def lock_sagas(connection: Connection, order_ids: Collection[UUID]) -> Mapping[UUID, Progress]:
    """The progress of those orders that have a row. The rows are locked until the commit."""
    rows = await connection.rows(_LOCK, {"order_ids": sorted(order_ids)})
    return {row.order_id: _progress(row) for row in rows}


async def due_sagas(connection: Connection, limit: int) -> Sequence[Progress]:
    """At most `limit` orders whose first command was not answered in time, locked until the commit."""
    return [_progress(row) for row in await connection.rows(_DUE, {"limit": limit})]


async def save_sagas(connection: Connection, changed: Sequence[Progress]) -> None:
    """Write rows, and the times at which their first commands are sent again. A missing row is inserted."""
    await connection.execute(_SAVE, _columns(changed))


def _columns(progresses: Sequence[Progress]) -> dict[str, list[object]]:
    return {
        "order_ids": [one.order_id for one in progresses],
        "done": [json.dumps(one.done) for one in progresses],
        "queues": [json.dumps([each._asdict() for each in one.queue]) for one in progresses],
        "endings": [one.ending for one in progresses],
        "sent": [one.sent for one in progresses],
        "pauses": [seconds_until_repeat(one) for one in progresses],
        "traceparents": [one.traceparent for one in progresses],
    }


def _progress(row: Row) -> Progress:
    return Progress(
        order_id=row.order_id,
        done=tuple(row.done),
        queue=tuple(Command(**each) for each in row.queue),
        ending=row.ending,
        sent=row.sent,
        traceparent=row.traceparent,
    )
