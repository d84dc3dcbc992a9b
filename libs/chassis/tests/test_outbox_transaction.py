"""A change and its events are one transaction: there is never one without the other."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import text

from chassis.events import Cause, PublishedEvent
from chassis.outbox import Database, OutboxRow, rows
from chassis.postgres import Connection

COUNT_ONE = text("INSERT INTO effects (name, number, in_call) VALUES ('cup', 1, 1)")
EFFECTS = text("SELECT count(*) FROM effects")


async def test_what_changed_is_rolled_back_if_its_events_cannot_be_written(
    db: Database, thing_counted: Callable[[str, int], PublishedEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(connection: Connection, written: Sequence[OutboxRow]) -> Any:
        raise RuntimeError("the rows cannot be written")

    monkeypatch.setattr(rows, "write", refuse)
    with pytest.raises(RuntimeError, match="cannot be written"):
        await count_and_publish(db, thing_counted("cup", 1))
    async with db.reading() as connection:
        assert await connection.value(EFFECTS) == 0


async def count_and_publish(db: Database, event: PublishedEvent) -> None:
    async with db.transaction() as tx:
        await tx.connection.execute(COUNT_ONE)
        tx.publish(event, cause=Cause(None, "cup", None))
