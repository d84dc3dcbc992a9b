"""The inbox: each event takes effect once. Events with the same topic and key take effect in their order.

`Subscriptions` is a service's table of event → handler. `Inbox.process` handles a batch of messages in one transaction.
The transaction inserts a row (consumer group, source, event id) for each event, calls the handlers, and writes the
events that they publish. An event whose row exists is a duplicate and is dropped. Rows are kept for INBOX_RETENTION
(23 days), which must be longer than a topic can deliver an event again. An event of an ignored type gets no row.

If the transaction fails, it is rolled back, and the error decides:

- A dependency is unavailable: the whole batch is tried again, without limit. No event becomes a dead letter.
- Any other error: each event of the batch is handled in a transaction of its own. An event that fails is tried up to
  `max_attempts` (4) times. Between two tries its partition waits for 2 s at most, and other partitions continue. Then
  the event becomes a HELD dead letter: a row of the table `dead_letters`. Later events of its key are stored as
  WAITING, until an operator redrives or discards them. Events of other keys are handled.

An event whose data is too large or does not fit the service's model becomes HELD at once. Any other message that cannot
be read as an event of the service becomes PARKED: no event waits for it.

If events of 20 different keys of one type fail one after another with the same error, the system is at fault and not
the events. (Errors about a value of an event are not counted.) Then the `Breaker` opens: events of this type that fail
are not dead-lettered. Their partitions wait, and are read again after at most 2 s. The breaker closes when an event of
the type succeeds.
"""

from chassis.inbox.dead_letters import DeadLetter
from chassis.inbox.inbox import Inbox
from chassis.inbox.outcomes import PartlyTaken
from chassis.inbox.subscriptions import Handler, Subscriptions, WholeBatch

__all__ = ["DeadLetter", "Handler", "Inbox", "PartlyTaken", "Subscriptions", "WholeBatch"]
