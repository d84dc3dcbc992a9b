"""The saga as one transaction: events reach their handlers before the commit (docs/decisions/0062).

With SHOP_TX=single, modules of one group carry out a saga in the database transaction of the request that starts it.
Handlers, queries, events and rules do not know it.

Hand on: before the transaction of the request commits, the events that it has published are passed, in order, to the
inboxes of the other modules that take part, and then the events that those have published, until none is left. All of
it is in one connection. For each module the transaction takes on its role and its schema (`SET LOCAL ROLE`), so a
handler reads its own tables and no others. Inbox rows and outbox rows are written as always. So a reader that sees the
events after the commit finds them in the inbox and drops them, and each other module (notifications, analytics) reads
them in the usual way.

Errors: an error of any handler ends the request, and the whole transaction is rolled back. Nothing is tried again, and
there is no dead letter. If the saga is not finished when no event is left, the request ends with `SagaUnfinished`.

Calls of an outside system: a call cannot be part of a transaction. A process that is killed after the call and before
the commit would leave the call without any row. So the handlers that lead to the call run in a transaction of their
own, which commits the durable intent, with its lease, before the call (docs/decisions/0006). The outcome is recorded in
the transaction of the saga. If that one does not commit, the intent remains: after its lease the usual job repeats the
call with the same key, and the service does with an outcome of an unknown order what it does after a restore.
"""

from chassis.single.calls import Calls
from chassis.single.database import SagaDatabase
from chassis.single.participants import PARTICIPANTS, OneTransaction, Participant, take_part
from chassis.single.saga import SagaUnfinished

__all__ = [
    "PARTICIPANTS",
    "Calls",
    "OneTransaction",
    "Participant",
    "SagaDatabase",
    "SagaUnfinished",
    "take_part",
]
