"""Durable intents: each row names one call of an outside system that must still be made (docs/decisions/0006).

A handler writes the intent. This module claims it with a lease, makes the call without an open transaction, and records
the result. An intent whose call failed is postponed. A call whose result is recorded is not repeated.

The service supplies the SQL for its table. The chassis supplies the loop, the pauses and the metric.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

import structlog

from chassis.backoff import Backoff
from chassis.errors import Unavailable, is_unavailable
from chassis.observability import metrics
from chassis.outbox import Database, Transaction

log = structlog.get_logger()

TOGETHER_SECONDS = 0.01
"""Results that arrive within these seconds after the beginning of a round are recorded together."""
LOOK_AGAIN_SECONDS = 0.1
"""Seconds after which due intents are claimed, even if no call has ended and `more_due` is not set."""
RECORDING = Backoff()


class Intent(Protocol):
    """An intent. `attempts` counts its claims, including the current one."""

    @property
    def attempts(self) -> int: ...


Item = TypeVar("Item", bound=Intent)
Outcome = TypeVar("Outcome")


class TryLater(Exception):
    """A call could not be made now: its intent is tried again later. The text is a slug."""


class PostponedIntent(NamedTuple, Generic[Item]):
    """An intent that is not done: the seconds until it is due again, and the reason in one word (`error`)."""

    item: Item
    seconds: float
    error: str


class IntentCounts(NamedTuple):
    """The number of claimed intents, and the number of those that are done and recorded."""

    claimed: int
    done: int


class _Answer(NamedTuple, Generic[Item, Outcome]):
    """The result of an intent: its outcome, or the reason for which it is postponed."""

    item: Item
    outcome: Outcome | None
    postponed: PostponedIntent[Item] | None


@dataclass(frozen=True, slots=True)
class IntentQueue(Generic[Item, Outcome]):
    """A service's table of intents of one kind.

    `claim(tx, limit, lease_seconds)` claims at most `limit` due intents; no other process gets them before the lease
    ends. `record(tx, outcomes)` writes outcomes, and must not change recorded ones. `postpone` sets the time at which
    an intent is due again.

    `max_claimed` is the maximum number of intents that are claimed and not done; `concurrency` is the maximum number of
    calls at the same time. A call that has not ended `call_seconds` after the claim is cancelled, and its intent is
    postponed. `call_seconds` must be less than `lease_seconds`. If `repeats` is true, the queue claims again until no
    intent is due. Otherwise it claims once, and records all results together when the last call has ended.

    `more_due` is set when a transaction has written new intents. Give it to the job as its `wake_event`. Then new
    intents are claimed at once, even while calls of the run before are still in flight.
    """

    name: str
    claim: Callable[[Transaction, int, float], Awaitable[Sequence[Item]]]
    record: Callable[[Transaction, Sequence[tuple[Item, Outcome]]], Awaitable[None]]
    postpone: Callable[[Transaction, Sequence[PostponedIntent[Item]]], Awaitable[None]]
    max_claimed: int
    concurrency: int
    lease_seconds: float
    call_seconds: float
    pauses: Backoff
    repeats: bool = True
    more_due: asyncio.Event = field(default_factory=asyncio.Event)

    async def process_due(
        self, database: Database, call: Callable[[Item], Awaitable[Outcome]]
    ) -> IntentCounts:
        """Claim due intents, call `call` for each outside of any transaction, and record the results.

        If `repeats` is true, a slow call delays no other one: each round records the results that have arrived, and
        claims as many new intents. After a crash between call and record the lease ends, and the call is repeated.

        While the database is unavailable, results are kept and recorded later. A result that cannot be recorded for
        another reason postpones its intent. Raises the error of `claim`.
        """
        return await _Run(self, database, call).process_due()


class _Run(Generic[Item, Outcome]):
    """One call of `process_due`."""

    def __init__(
        self,
        queue: IntentQueue[Item, Outcome],
        database: Database,
        call: Callable[[Item], Awaitable[Outcome]],
    ) -> None:
        self._queue = queue
        self._database = database
        self._call = call
        self._turns = asyncio.Semaphore(queue.concurrency)
        self._calling: set[asyncio.Task[_Answer[Item, Outcome]]] = set()
        self._answers: list[_Answer[Item, Outcome]] = []
        self._claimed = 0
        self._done = 0

    async def process_due(self) -> IntentCounts:
        try:
            while True:
                claimed = await self._record_and_claim()
                self._claimed += len(claimed)
                deadline = asyncio.get_running_loop().time() + self._queue.call_seconds
                self._calling |= {asyncio.ensure_future(self._carry_out(item, deadline)) for item in claimed}
                if not self._calling:
                    return IntentCounts(self._claimed, self._done)
                await self._wait_for_answers()
        finally:
            if self._calling or self._answers:
                await self._end_early()

    async def _carry_out(self, item: Item, deadline: float) -> _Answer[Item, Outcome]:
        pause = self._queue.pauses.pause(item.attempts)
        limit = asyncio.timeout_at(deadline)
        try:
            async with limit, self._turns:
                return _Answer(item, await self._call(item), None)
        except asyncio.CancelledError:  # by `_end_early`: another process may continue at once
            return _Answer(item, None, PostponedIntent(item, 0.0, "cut-off"))
        except Exception as error:
            if limit.expired():
                return _Answer(item, None, PostponedIntent(item, pause, "out-of-time"))
            if isinstance(error, TryLater):
                return _Answer(item, None, PostponedIntent(item, pause, str(error)))
            if not isinstance(error, Unavailable):
                log.error("intent.failed", queue=self._queue.name, attempts=item.attempts, exc_info=error)
            return _Answer(item, None, PostponedIntent(item, pause, type(error).__name__))

    async def _wait_for_answers(self) -> None:
        if not self._queue.repeats:
            answered, self._calling = await asyncio.wait(self._calling)
        else:
            answered, self._calling = await asyncio.wait(self._calling, timeout=TOGETHER_SECONDS)
            if not answered:
                answered = await self._first_answers()
        self._answers += [task.result() for task in answered]

    async def _first_answers(self) -> set[asyncio.Task[_Answer[Item, Outcome]]]:
        """Wait until a call ends, more intents are due, or LOOK_AGAIN_SECONDS are over. Returns the ended calls.

        A slow call must not delay the intents that become due meanwhile, so this does not wait for calls alone.
        """
        more_due = asyncio.ensure_future(self._queue.more_due.wait())
        try:
            await asyncio.wait(
                {*self._calling, more_due}, timeout=LOOK_AGAIN_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            more_due.cancel()
        answered = {task for task in self._calling if task.done()}
        self._calling -= answered
        return answered

    async def _record_and_claim(self) -> Sequence[Item]:
        """Record the results and claim, in one transaction. If that fails, each result has a transaction of its own."""
        may_claim = self._queue.repeats or not self._claimed
        limit = self._queue.max_claimed - len(self._calling) if may_claim else 0
        self._queue.more_due.clear()  # before the claim: an intent that is written after it sets the event again
        try:
            return await self._until_recorded(self._answers, limit)
        except Exception as error:
            if not self._answers or is_unavailable(error):
                raise
            log.warning("intents.batch_failed", queue=self._queue.name, error=repr(error))
        await self._record_each()
        return await self._until_recorded([], limit)

    async def _until_recorded(self, answers: Sequence[_Answer[Item, Outcome]], limit: int) -> Sequence[Item]:
        """Record `answers` and claim. While the database is unavailable, keep the answers and try again.

        Without answers it does not try again, and raises the error.
        """
        failures = 0
        while True:
            try:
                return await self._transaction(answers, limit)
            except Exception as error:
                if not answers or not is_unavailable(error):
                    raise
                failures += 1
                pause = RECORDING.pause(failures)
                log.warning(
                    "intents.waiting", queue=self._queue.name, answers=len(answers), error=repr(error)
                )
            await asyncio.sleep(pause)

    async def _transaction(self, answers: Sequence[_Answer[Item, Outcome]], limit: int) -> Sequence[Item]:
        if not answers and not limit:
            return []
        outcomes = [(item, outcome) for item, outcome, _ in answers if outcome is not None]
        postponed = [answer.postponed for answer in answers if answer.postponed is not None]
        claimed: Sequence[Item] = []
        async with self._database.transaction() as tx:
            if outcomes:
                await self._queue.record(tx, outcomes)
            if postponed:
                await self._queue.postpone(tx, postponed)
            if limit:
                claimed = await self._queue.claim(tx, limit, self._queue.lease_seconds)
        self._done += len(outcomes)
        metrics.INTENTS_POSTPONED.labels(self._queue.name).inc(len(postponed))
        recorded = {id(answer) for answer in answers}
        self._answers = [answer for answer in self._answers if id(answer) not in recorded]
        return claimed

    async def _record_each(self) -> None:
        for answer in list(self._answers):
            try:
                await self._until_recorded([answer], 0)
            except Exception as error:
                await self._postpone_unrecorded(answer, error)

    async def _postpone_unrecorded(self, answer: _Answer[Item, Outcome], error: Exception) -> None:
        """Postpone an intent whose outcome could not be recorded. If that fails too, it is due when its lease ends."""
        item = answer.item
        log.error("intent.not_recorded", queue=self._queue.name, attempts=item.attempts, exc_info=error)
        postponed = PostponedIntent(item, self._queue.pauses.pause(item.attempts), "not-recorded")
        self._answers.remove(answer)
        try:
            await self._until_recorded([_Answer(item, None, postponed)], 0)
        except Exception as second:
            log.error("intent.not_postponed", queue=self._queue.name, exc_info=second)

    async def _end_early(self) -> None:
        """At the end of the process, or after an error: record the results that exist, and make the other claimed
        intents due at once.
        """
        for task in self._calling:
            task.cancel()
        self._answers += await asyncio.gather(*self._calling)
        self._calling = set()
        await self._transaction(self._answers, 0)
