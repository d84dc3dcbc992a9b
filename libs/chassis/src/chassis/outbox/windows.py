"""Reads the rows of an outbox between two snapshots, for a program that sends them in the place of a relay."""

from collections.abc import AsyncIterator, Sequence

from chassis.outbox.rows import OutboxRow
from chassis.postgres import Driver, Statements

PAGE = 2_000

_statements = Statements(__package__)


async def rows_between(
    connection: Driver, since: str, until: str, page: int = PAGE
) -> AsyncIterator[Sequence[OutboxRow]]:
    """Pages of the rows that are visible in the snapshot `until` and not in `since`, in the order of their ids.

    So rows of one key are in the order in which they were written, also from one window to the next. Snapshots are
    texts, as `pg_current_snapshot()` gives them. `3:3:` is before all rows.
    """
    rows: list[OutboxRow] = []
    async with connection.transaction():
        async for record in connection.cursor(_statements.raw("rows_between"), since, until, prefetch=page):
            rows.append(OutboxRow(*record))
            if len(rows) == page:
                yield rows
                rows = []
    if rows:
        yield rows
