"""The transactional outbox: transactions that publish events, and the relay that sends them.

Write: `async with database.transaction() as tx` opens a transaction, and `tx.publish(event, cause=…)` adds an event to
it. The last statement of the transaction writes all its events as rows of the table `outbox`. So an event exists if and
only if its transaction commits. The caller must hold the lock on the aggregate's row until the commit: then the ids of
a key's rows are in the order of its events. Sending does not change a row. Sent rows stay in the table for
OUTBOX_RETENTION (8 days), so that a lost topic can be filled again. Then the job `prune` deletes them.

Send: every process with the role `worker` or `all` has a `Relay`. A commit in the same process wakes the relay, a
NOTIFY tells it of commits in other processes, and it looks for rows every 2 s. It sends rows with the same topic and
key in their order, and waits until the transport has stored them. Its position is a PostgreSQL snapshot: the list of
the transactions that were visible when it read (docs/decisions/0003). So it does not skip a transaction that commits
late. It saves the position at most 1 s after it sent a row. After a crash the rows since then, and at most one page
more, are sent again. At the end of a process the relay saves its positions and releases its leases. Rows that are not
sent yet stay in the table: another process or the next start sends them.

Share: the table has 12 shards by key. A shard has the number of a Kafka partition. A relay has a shard by a lease of
6 s. The lease of a shard goes to a process that consumes the partition with its number. Shards that no process consumes
are divided evenly (docs/decisions/0014). A relay sends only while its leases are valid by its own clock (`Fence`).

Set aside: if the transport is unavailable, the relay waits. If only one topic cannot be written, its rows are DELAYED:
all later rows of the topic wait, and the relay tries again by itself. If the broker will never accept a row, the row is
REFUSED: later rows of its key wait until an operator decides. Then the relay tries the row again, or the row is never
sent (GIVEN_UP). All other rows are sent (docs/decisions/0021).
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
