"""One saga in one transaction: it hands the events on from module to module until none is left."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import text

from chassis.errors import Unavailable
from chassis.events import RawMessage
from chassis.inbox.dispatch import dispatch
from chassis.inbox.outcomes import Claim
from chassis.inbox.rounds import InboxEvent
from chassis.local.topics import message_of
from chassis.observability import metrics
from chassis.observability.module import in_module
from chassis.observability.tracing import MessageSpan
from chassis.outbox import Transaction
from chassis.outbox.rows import write
from chassis.single.calls import Calls
from chassis.single.participants import PARTICIPANTS, Participant

NO_ID = 0
"""The outbox id of a row that is not written yet. Ids are given when a transaction writes its rows, at its end."""

_BECOME = text("SELECT set_config('role', :role, true), set_config('search_path', :schema, true)")


class SagaUnfinished(Unavailable):
    """The saga of a transaction has not ended, although no event is left. Nothing of it was committed."""

    dependency = "saga"


class _NothingToCall(Exception):
    """The handlers have written no intent, so their transaction is rolled back."""


class Saga:
    """The one transaction of a saga, which `starter` has begun as `tx`.

    `spans` gets the span of each event. The caller ends them with the transaction.
    """

    def __init__(self, starter: Participant, tx: Transaction, spans: list[MessageSpan]) -> None:
        self._starter = starter
        self._acting = starter
        self._spans = spans
        self._transactions = {starter.name: tx}
        self._handed_on: dict[str, int] = {}
        self._before_a_call: dict[str, list[InboxEvent]] = {}
        self._handled: list[str] = []

    async def run(self) -> None:
        """Hand all events on, check that the saga has ended, and write the rows of the other modules.

        Afterwards the transaction has the starter's role again, and the starter's rows are still to be written. Raises
        the error of a handler, of a call, SagaUnfinished, or KeyHeld.
        """
        while True:
            if messages := self._next_messages():
                for participant in PARTICIPANTS.values():
                    await self._hand(participant, messages)
            elif self._before_a_call:
                name, events = self._before_a_call.popitem()
                await self._hand_before_a_call(PARTICIPANTS[name], events)
            else:
                break
        if self._handed_on:
            await self._finish()

    def committed(self) -> None:
        """Do what follows a commit for each module but the starter, whose database does it."""
        for event_type in self._handled:
            metrics.CONSUMED[event_type, Claim.NEW].inc()
        for name, tx in self._others():
            with in_module(name):
                PARTICIPANTS[name].on_commit(tx)

    def _others(self) -> Iterable[tuple[str, Transaction]]:
        return [(name, tx) for name, tx in self._transactions.items() if name != self._starter.name]

    def _next_messages(self) -> list[RawMessage]:
        """The events that were published since the last call, in order."""
        messages: list[RawMessage] = []
        for name, tx in self._transactions.items():
            new = tx.rows[self._handed_on.get(name, 0) :]
            if new:
                self._handed_on[name] = len(tx.rows)
                messages += [message_of(NO_ID, row) for row in new]
        return messages

    async def _hand(self, participant: Participant, messages: Sequence[RawMessage]) -> None:
        """Claim the events that a module handles, and call its handlers, or gather the events for a call."""
        events = participant.inbox.events_in(messages)
        if not events:
            return
        tx = await self._become(participant)
        new = await participant.inbox.claim(tx, events)
        self._handled += [event.envelope.type for event in new]
        if participant.part.calls is not None:
            self._before_a_call.setdefault(participant.name, []).extend(new)
        else:
            with in_module(participant.name):
                await _call(tx, new, self._spans)

    async def _hand_before_a_call(self, participant: Participant, events: Sequence[InboxEvent]) -> None:
        """Commit the intent that these events lead to, make the call, and record its outcome in the saga.

        If they lead to none, they are handled in the transaction of the saga.
        """
        calls = participant.part.calls
        assert calls is not None
        with in_module(participant.name):
            try:
                items = await self._commit_intents(participant, calls, events)
            except _NothingToCall:
                await _call(await self._become(participant), events, self._spans)
                return
            outcomes = [(item, await calls.outcome_of(item)) for item in items]
            await calls.queue.record(await self._become(participant), outcomes)

    async def _commit_intents(
        self, participant: Participant, calls: Calls[Any, Any], events: Sequence[InboxEvent]
    ) -> list[Any]:
        """Run the handlers in a transaction of their own, claim their intents, and commit. Returns the intents."""
        spans: list[MessageSpan] = []
        tx = self._transactions[participant.name]
        async with participant.inbox.database.transaction() as ahead:
            await _call(ahead, events, spans)
            if calls.job not in ahead.wakes:
                raise _NothingToCall
            ahead.wakes.discard(calls.job)
            tx.rows += ahead.rows  # events belong to the saga, and do not exist before its commit
            ahead.rows.clear()
            items = await calls.claim(ahead, {event.envelope.subject for event in events})
        self._spans += spans
        return items

    async def _become(self, participant: Participant) -> Transaction:
        """Take a module's role and schema on. Returns its transaction, which is in the connection of the saga."""
        connection = self._transactions[self._starter.name].connection
        if participant is not self._acting:
            values = {"role": participant.role, "schema": participant.schema}
            await connection.execute(_BECOME, values)
            self._acting = participant
        return self._transactions.setdefault(participant.name, Transaction(connection))

    async def _finish(self) -> None:
        for name, tx in self._others():
            if tx.rows:
                await self._become(PARTICIPANTS[name])
                await write(tx.connection, tx.rows)
        tx = await self._become(self._starter)
        if await self._starter.part.is_unfinished(tx.connection, tx.rows):
            raise SagaUnfinished("the saga has not ended, although no event is left")


async def _call(tx: Transaction, events: Sequence[InboxEvent], spans: list[MessageSpan]) -> None:
    """Call the handlers one after the other, so that a cause comes before its effect. A batch has another order."""
    for event in events:
        await dispatch(tx, [event], spans)
