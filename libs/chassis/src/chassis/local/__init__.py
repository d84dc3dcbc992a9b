"""The second transport: modules of one database read each other's outboxes (docs/decisions/0055).

A module is a service that shares its process and its database with others. Each has a schema of its own. The topics of
its group are views in the schema `topics`: the view of a topic `a.b.v1` has the rows of this topic in the outbox of the
module `a`. A module may read the views of the topics that it reads by the contract, and no other table of another
module. The program that creates the database creates the views, the rights, and two tables in the schema of each
module: `reader_position` and `reader_lease` (`shop_stack.local_topics`).

Send: a commit is all that is needed. It wakes the readers in its process. If the reader of a module is in another
process, the process that has committed sends a NOTIFY, as for relays. It may be lost, so every 2 s a reader looks for
rows in any case.

Receive: `LocalReader` reads the rows that its position cannot see, and passes them to the inbox. Its position is a
PostgreSQL snapshot for each shard of each topic, as the position of a relay (docs/decisions/0003). So it skips no
transaction that commits late, and rows of a key come in their order. It advances the position after the inbox has
committed, and saves it within a second. After a crash the inbox drops the rows that come again. A message that must
wait stops its own shard of its own topic, and no other. Partition and offset of a message are the shard and the id of
its row.

Of several processes that have the same module, one reads: it holds the lease, which lasts 6 s. Another process takes
over when the lease ends.

`replay` reads whole topics, for rebuilds. `NoRelay` stands in the place of the relay in a shop without Kafka: no row
waits to be sent, so old rows may be pruned.
"""

from chassis.local.no_relay import NoRelay
from chassis.local.reader import LocalReader, ReaderSettings
from chassis.local.topics import is_local
from chassis.local.wakeups import ReaderNotifier, wake_readers

__all__ = ["LocalReader", "NoRelay", "ReaderNotifier", "ReaderSettings", "is_local", "wake_readers"]
