"""The transactional outbox: transactions that publish events, and the relay that sends them at least once.

Write: `async with database.transaction() as tx` opens a transaction, and `tx.publish(event, cause=…)` adds an event to
it. The last statement of the transaction writes all its events as rows of the table `outbox`. So an event exists if and
only if its transaction commits. The caller must hold the lock on the aggregate's row until the commit: then the ids of
a key's rows are in the order of its events. Sending does not change a row. Sent rows stay in the table until
OUTBOX_RETENTION (8 days) after the time of their event. Then the job `prune` deletes them. If Kafka lost a topic, an
operator resets the positions of all relays (`shop republish`), and the rows in the table are sent again, except
GIVEN_UP and REFUSED ones. Rows with the key of a REFUSED row wait until an operator decides.

Send: each row is sent at least once, so readers must drop duplicates. Every process with the role `worker` or `all` has
a `Relay`. A commit in the same process wakes it. If another process relays the row's shard, the process that has
committed sends a NOTIFY. This is a statement of its own after the commit and may be lost. So every 2 s the relay looks
for rows in any case. It sends rows with the same topic and key in their order, and waits until the transport has stored
them. Its position is a PostgreSQL snapshot (docs/decisions/0003). A snapshot says that all transactions with an id
below its `xmax` had ended, except those in its list of open ones. So the relay does not skip a transaction that commits
late.

The relay sends in rounds. Shards whose positions are equal are read together: in one round the relay sends one page
(2,000 rows) for each such group. It saves its positions each time it renews its leases: between rounds, and every
second while a page is being sent. At most 1 s after it sent rows it renews and saves; if a round is in progress then,
at its end. After a crash the rows that were sent since the last save are sent again. At the end of a process the relay
saves its positions and releases its leases. Rows that are not sent yet are sent by another process or the next start.

Shards: the table has 12 shards by key. A relay may send the rows of a shard only while it holds the lease on it. A
lease lasts 6 s. It is renewed at least every 2 s between rounds, and every second while a page is being sent. In a
round of many short pages it is renewed one second before the relay would have to stop sending. In a topic of 12
partitions (or 24, …) a key of shard n is in partition n (or n + 12, …). So the lease of shard n goes to a process that
consumes such a partition. Other shards are divided evenly among the relays. This saves work, and no guarantee depends
on it (docs/decisions/0014). A relay stops sending one second before its leases end, by its own clock (`Fence`). If a
record reaches the transport after the lease on its shard has ended, the next owner of the shard sends the row, too,
and readers drop the duplicate. A relay that has lost a lease cannot change the position of the shard: the UPDATE of a
position has the condition that this relay is the owner.

Set aside: if the transport (Kafka) is unavailable, the relay saves its positions, releases its leases, and starts again
after a pause. If a row cannot be sent, it is set aside, and the relay continues with other rows (docs/decisions/0021).
An unexpected error (a bug) stops the relay. It starts again, and an operator can set the row aside. A second task tries
rows that were set aside, with connections of its own, so the relay does not wait for it.

- DELAYED: the topic cannot be written, or the broker refused the batch that the row was in. Later rows of the topic in
  this relay's shards are DELAYED, too. The relay tries them again by itself, unless an earlier row of their key is
  REFUSED: at first one row, and after each success twice as many.
- REFUSED: the broker will never accept the row. Later rows of its key are DELAYED until an operator decides: the row is
  tried again, or the relays leave it out (GIVEN_UP).
"""

from chassis.outbox.business_metrics import BusinessMetrics
from chassis.outbox.fence import Fence
from chassis.outbox.leases import RelayPosition
from chassis.outbox.relay import Relay
from chassis.outbox.rows import MAX_EVENT_LENGTH, OutboxRow, new_row
from chassis.outbox.set_aside import RowsNotSent, Unsent, UnsentReason
from chassis.outbox.sharding import CHANNEL, SHARDS, key_hash, shard_of, shards_of_partitions
from chassis.outbox.transactions import Database, Transaction

__all__ = [
    "CHANNEL",
    "MAX_EVENT_LENGTH",
    "SHARDS",
    "BusinessMetrics",
    "Database",
    "Fence",
    "OutboxRow",
    "Relay",
    "RelayPosition",
    "RowsNotSent",
    "Transaction",
    "Unsent",
    "UnsentReason",
    "key_hash",
    "new_row",
    "shard_of",
    "shards_of_partitions",
]
