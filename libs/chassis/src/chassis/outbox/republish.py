"""All rows that the outbox still has are sent again, except GIVEN_UP ones, for topics that were lost."""

from chassis.outbox.sharding import CHANNEL
from chassis.outbox.transactions import Database
from chassis.postgres import Statements

_statements = Statements(__package__)


async def republish_all(database: Database) -> int:
    """Set all positions to the beginning. Returns how many events are going to be sent.

    All leases are ended. A relay that acquires a shard again reads its position from the table.
    """
    async with database.transaction() as tx:
        return int(await tx.connection.value(_statements.named("republish"), {"channel": CHANNEL}))
