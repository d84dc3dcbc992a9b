"""The inbox: each event has its effect once, in the order of its key. An event that fails becomes a dead letter.

`Inbox.process` takes a batch of messages in one transaction: a row of the inbox for each event, the handlers' changes,
and the rows of the outbox. A duplicate finds its inbox row and is dropped. `Subscriptions` is a service's table of
event → handler. Dead letters hold back the later events of their key, until an operator redrives or discards them.
While all events of a type fail in the same way, `Breaker` stops dead-lettering them, and their partitions wait.
"""

from chassis.inbox.dead_letters import DeadLetter
from chassis.inbox.inbox import Inbox, PartlyTaken
from chassis.inbox.subscriptions import Handler, Subscriptions, WholeBatch

__all__ = ["DeadLetter", "Handler", "Inbox", "PartlyTaken", "Subscriptions", "WholeBatch"]
