"""The possible results of a batch, and of one event of it."""

from collections.abc import Sequence
from enum import StrEnum

from chassis.errors import Unavailable
from chassis.events import RawMessage


class PartlyTaken(Unavailable):
    """`messages` were neither handled nor stored as dead letters. All other messages of the batch were taken.

    Deliver these messages again later, with all messages after them in their partitions. Other partitions may continue.
    """

    def __init__(self, messages: Sequence[RawMessage]) -> None:
        super().__init__(f"{len(messages)} messages have to wait")
        self.messages = messages


class KeyHeld(Unavailable):
    """An event cannot be handled in the caller's transaction, because a dead letter holds its key.

    An operator redrives or discards the dead letter. Nothing was handled.
    """

    dependency = "dead-letters"


class Claim(StrEnum):
    """The result of the insert of an event into the inbox.

    Its value is the label `outcome` of `chassis_events_consumed_total`, which is counted after the commit. A claim of
    an event has no lease: the inserted row stays until `prune` deletes it.
    """

    NEW = "handled"
    """The event was inserted, and is handled in the same transaction."""
    WAITING = "waiting"
    """The key has a HELD or WAITING dead letter: the event is stored as WAITING and gets no inbox row."""
    DUPLICATE = "duplicate"
