"""The transactional outbox: transactions that publish events, and the relay that sends them.

`async with database.transaction() as tx` opens a transaction. `tx.publish(event, cause=…)` writes the event as a row in
this transaction, so that the event exists if and only if the transaction commits. After the commit the `Relay` reads
the row, in the order of its key, and gives it to the transport. A row may be sent twice and is never lost.

The table is append-only. No row is updated when it is sent: the relay saves its position as a PostgreSQL snapshot
(docs/decisions/0003). The table is divided into shards. The relays of a service's replicas share the shards by leases.
A row that cannot be sent stands aside (docs/decisions/0021).
"""

from chassis.outbox.fence import Fence
from chassis.outbox.relay import Relay
from chassis.outbox.rows import MAX_EVENT_LENGTH, OutboxRow, new_row
from chassis.outbox.set_aside import RowsNotSent, Setback, Unsent
from chassis.outbox.sharding import CHANNEL, SHARDS, key_hash, shard_of, shards_of_partitions
from chassis.outbox.transactions import Database, Transaction

__all__ = [
    "CHANNEL",
    "MAX_EVENT_LENGTH",
    "SHARDS",
    "Database",
    "Fence",
    "OutboxRow",
    "Relay",
    "RowsNotSent",
    "Setback",
    "Transaction",
    "Unsent",
    "key_hash",
    "new_row",
    "shard_of",
    "shards_of_partitions",
]
