"""The outbox for operators: its metrics, and the rows that are set aside."""

from dataclasses import asdict, dataclass

from chassis.observability import metrics
from chassis.outbox.sharding import CHANNEL
from chassis.outbox.transactions import Database
from chassis.postgres import Connection, Row, Statements

_statements = Statements(__package__)


@dataclass(frozen=True, slots=True)
class RowSelection:
    """A selection of rows that are set aside: by id, by key (on one topic or on all), or by topic."""

    id: int | None = None
    topic: str | None = None
    key: str | None = None


async def measure(connection: Connection) -> Row:
    """The figures of the outbox and of its leases, for `show`."""
    row = await connection.row(_statements.named("measure_outbox"))
    assert row is not None
    return row


def show(row: Row) -> None:
    """Set the metrics of the outbox and of its leases."""
    metrics.OUTBOX_UNSENT.set(row.unsent)
    metrics.OUTBOX_OLDEST_UNSENT.set(max(0.0, row.oldest_seconds))
    metrics.SHARDS_WITHOUT_LEASE.set(row.without_lease)
    metrics.OUTBOX_SET_ASIDE.labels("DELAYED").set(row.delayed)
    metrics.OUTBOX_SET_ASIDE.labels("REFUSED").set(row.refused)


async def list_set_aside(connection: Connection, state: str, limit: int) -> list[Row]:
    """Rows that are set aside, oldest first, at most `limit`. `state` is `open`, `all`, or the name of a state."""
    return await connection.rows(_statements.named("list_set_aside"), {"state": state, "limit": limit})


async def send_again(database: Database, selection: RowSelection) -> int:
    """Make REFUSED rows DELAYED. The relay tries them before the later rows of their keys. Returns how many."""
    return await _end_refusals(database, "send_again", selection)


async def give_up(database: Database, selection: RowSelection) -> int:
    """Make REFUSED rows GIVEN_UP: they are left out, and later rows of their keys are sent. Returns how many.

    A GIVEN_UP row stays in the outbox until `prune` deletes it. It is not sent when all others are sent again
    (`republish_all`).
    """
    return await _end_refusals(database, "give_up", selection)


async def _end_refusals(database: Database, statement: str, selection: RowSelection) -> int:
    which = {**asdict(selection), "channel": CHANNEL}
    async with database.transaction() as tx:
        return len(await tx.connection.rows(_statements.named(statement), which))
