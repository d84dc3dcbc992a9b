"""The modules of this process that take part in the one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chassis.inbox import Inbox
from chassis.outbox import OutboxRow
from chassis.outbox.transactions import CommitListener
from chassis.postgres import Connection
from chassis.single.calls import Calls

IsUnfinished = Callable[[Connection, Sequence[OutboxRow]], Awaitable[bool]]


async def never_unfinished(connection: Connection, rows: Sequence[OutboxRow]) -> bool:
    """No saga is unfinished when no event is left."""
    return False


@dataclass(frozen=True, slots=True)
class OneTransaction:
    """A service's part in a saga that is one transaction.

    If `starts`, its requests start sagas. `is_unfinished` says, at the end of such a transaction and as this module,
    whether a saga has not ended; it gets the events that this module has published in the transaction. `calls` are
    those of an outside system whose outcome the saga needs.
    """

    starts: bool = False
    is_unfinished: IsUnfinished = never_unfinished
    calls: Calls[Any, Any] | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """A module that takes part. `role` and `schema` are those of its tables. `on_commit` is that of its database."""

    inbox: Inbox
    part: OneTransaction
    on_commit: CommitListener
    role: str
    schema: str

    @property
    def name(self) -> str:
        """The name of the module."""
        return self.inbox.group


PARTICIPANTS: dict[str, Participant] = {}
"""The participants of this process, by name. A process that serves several modules has one for each of them."""


def take_part(participant: Participant) -> None:
    """Have events handed on to this module from now on. A module of the same name is replaced."""
    PARTICIPANTS[participant.name] = participant
