"""Calls of an outside system whose outcome the one transaction waits for.

The intent is claimed and committed before the call, by the service's own queue. So another process, and the job of this
one, leave it alone until its lease ends.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Generic

from chassis.errors import Unavailable
from chassis.jobs import IntentQueue, PostponedIntent, TryLater
from chassis.jobs.intents import Item, Outcome
from chassis.outbox import Transaction


class NoOutcome(Unavailable):
    """The outside system gave no outcome in time. Its effect is not known."""

    dependency = "outside-call"


@dataclass(frozen=True, slots=True)
class Calls(Generic[Item, Outcome]):
    """The calls that the job `job` makes for the intents of `queue`.

    A handler that wakes `job` has written an intent that is due. `key` is the subject of the events that led to it.
    """

    job: str
    queue: IntentQueue[Item, Outcome]
    call: Callable[[Item], Awaitable[Outcome]]
    key: Callable[[Item], str]

    async def claim(self, tx: Transaction, keys: Collection[str]) -> list[Item]:
        """Claim the due intents with these keys.

        The service's statement claims any that are due. The others are due again at the commit.
        """
        found: list[Item] = []
        others: list[PostponedIntent[Item]] = []
        while len(found) < len(keys):
            claimed = await self.queue.claim(tx, self.queue.max_claimed, self.queue.lease_seconds)
            if not claimed:
                break
            found += [item for item in claimed if self.key(item) in keys]
            others += [
                PostponedIntent(item, 0.0, "another-saga") for item in claimed if self.key(item) not in keys
            ]
        if others:
            await self.queue.postpone(tx, others)
        return found

    async def outcome_of(self, item: Item) -> Outcome:
        """Make the call, and again after a pause, until there is an outcome.

        Raises the error of the last call, or NoOutcome, `call_seconds` after the first call began.
        """
        last: Exception | None = None
        attempts = 0
        try:
            async with asyncio.timeout(self.queue.call_seconds):
                while True:
                    attempts += 1
                    try:
                        return await self.call(item)
                    except (Unavailable, TryLater) as error:
                        last = error
                    await asyncio.sleep(self.queue.pauses.pause(attempts))
        except TimeoutError:
            if isinstance(last, Unavailable):
                raise last from None
            raise NoOutcome(f"no outcome after {self.queue.call_seconds} s") from None
