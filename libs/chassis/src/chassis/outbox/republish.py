"""The rows that the outbox still has are sent again, for topics that were lost.

GIVEN_UP and REFUSED rows are not sent. Rows with the key of a REFUSED row wait until an operator decides.
"""

from chassis.outbox.sharding import CHANNEL
from chassis.outbox.transactions import Database
from chassis.postgres import Statements

_statements = Statements(__package__)


async def republish_all(database: Database) -> int:
    """Set all positions to the beginning. Returns the number of rows that are not GIVEN_UP.

    All leases are ended. A relay that acquires a shard again reads its position from the table.
    """
    async with database.transaction() as tx:
        return int(await tx.connection.value(_statements.named("republish"), {"channel": CHANNEL}))
