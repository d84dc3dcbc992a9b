"""Everything that the outbox still has is sent again, for topics that were lost."""

from chassis.outbox.sharding import CHANNEL
from chassis.outbox.transactions import Database
from chassis.postgres import Statements

_statements = Statements(__package__)


async def republish_all(database: Database) -> int:
    """Put all positions back to the beginning. Returns how many events are going to be sent.

    The shards are taken from their relays, so that these read the positions anew.
    """
    async with database.transaction() as tx:
        return int(await tx.connection.value(_statements.named("republish"), {"channel": CHANNEL}))
