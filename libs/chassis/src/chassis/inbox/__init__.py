"""The inbox: each event takes effect once. Events with the same topic and key take effect in their order, except those
of a `WholeBatch` handler.

`Subscriptions` is a service's table of event → handler. If no message fails, `Inbox.process` handles a batch of
messages in one transaction. The transaction inserts a row (consumer group, source, event id) for each event. (An event
that waits for a dead letter of its key gets none: see below.) It calls the handlers, and writes the events that they
publish to the outbox. An event whose row exists is a duplicate and is dropped. An event of an ignored type gets no row.
The calls are made in rounds: the nth event of a key is in the nth round, so one call has each key at most once. A
`WholeBatch` handler gets all its events of the transaction in one call, in the first round, and a key may occur several
times. So its result must not depend on the order.

Rows are kept for INBOX_RETENTION (23 days), so that a late delivery of an event is still a duplicate. The outbox of the
service that published the event can send it again until 8 days after its time (OUTBOX_RETENTION). A row of which the
relay has not saved that it was sent has no such limit. After the last
sending its topic can deliver it for 14 days (with Kafka's defaults). The sum of both, 22 days and some minutes, must
not be more than INBOX_RETENTION.

If the transaction fails, it is rolled back, and the error decides:

- A fault of the system (`errors.is_unavailable`): a dependency is away, refuses, or lacks a table or a privilege. Every
  OSError, TimeoutError and KafkaError counts as one, and so does every SQL error that no value can cause. The whole
  batch is tried again, without limit. No event becomes a dead letter.
- Any other error: the batch is divided into eight parts, each a transaction of its own. A part that fails is divided
  again. A batch or part with at most eight keys is not divided: each of its events is handled alone. Only a failure of
  an event alone counts as a try of this event. An event has `max_attempts` (4) tries. After a failed try:

  1. The partition is not read for 2 s at most. Its later messages of other keys wait, too. Other partitions continue.
  2. The partition is read again from the failed message on. Messages that were handled already are dropped as
     duplicates.
  3. Events of the failed key are handled alone, one by one. The other events are handled together.

  After the last try the event becomes a HELD dead letter, and its partition continues. Later events of its key are
  stored as WAITING, until an operator redrives or discards them. An error that is in `not_retried` of the subscriptions
  ends the tries at once, and the partition does not pause, unless the breaker (below) is open for this type.

A dead letter is a row of the table `dead_letters`. Its event has no inbox row until an operator redrives or discards
the dead letter. Some messages become a dead letter without a try:

- An event whose data is too large, or does not fit the service's model, becomes HELD.
- Any other message that cannot be read as an event of the service becomes PARKED. No event waits for it.

A copy of each HELD or PARKED dead letter goes through the outbox to the topic `<group>.dead-letters`.

If events of 20 different keys of one type fail one after another with the same error, the cause is probably the
service's code (a broken release), and not the events. (Errors about a value of an event are not counted: ValueError,
ArithmeticError, SQLSTATE 22 and 54.) Then the `Breaker` opens: an event of this type whose handler fails does not
become a dead letter. Its partition waits, and is read again after at most 2 s. Data that does not fit the model still
becomes HELD. The breaker closes when an event of the type succeeds.

The count of tries and the breaker are in the memory of one process. A process that starts begins at zero. A process
does not know the failed tries that other processes made before it got the partition.
"""

from chassis.inbox.answering import answering
from chassis.inbox.dead_letters import DeadLetter
from chassis.inbox.inbox import Inbox
from chassis.inbox.outcomes import PartlyTaken
from chassis.inbox.subscriptions import Handler, Subscriptions, WholeBatch

__all__ = ["DeadLetter", "Handler", "Inbox", "PartlyTaken", "Subscriptions", "WholeBatch", "answering"]
