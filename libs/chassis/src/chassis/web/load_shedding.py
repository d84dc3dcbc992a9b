"""Load shedding: a POST on chosen paths is refused with 429 and `Retry-After` while too many work items wait.

Without it a queue grows: requests wait longer, memory grows, and after the overload the queue has to drain. A refusal
is cheap, and the client gets it at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.observability import metrics
from chassis.outbox import Database
from chassis.postgres import Connection
from chassis.web.problems import OVERLOADED, problem_response

SAMPLE_SECONDS = 0.25

REFUSAL = problem_response(OVERLOADED, detail="Nothing was changed; repeat it with its Idempotency-Key.")


@dataclass(slots=True)
class LoadShedding:
    """When to refuse a POST on one of `paths`.

    `count(connection)` counts the work items that wait in the service's database. The POST is refused while the last
    count is `limit` or more. It is also refused while this process handles `in_flight_limit` POSTs on `paths`, because
    a burst may come between two samples of the count.
    """

    count: Callable[[Connection], Awaitable[int]]
    limit: int
    paths: Collection[str]
    in_flight_limit: int = 200
    waiting: int = 0
    in_flight: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def applies_to(self, method: str, path: str) -> bool:
        """Whether this is a POST on one of `paths`."""
        return method == "POST" and path in self.paths

    def refuses(self, method: str, path: str) -> bool:
        """Whether a request must be refused now. Counts the refusals, and asks `sample` for a new count."""
        if not self.applies_to(method, path):
            return False
        self.asked.set()
        is_refused = self.waiting >= self.limit or self.in_flight >= self.in_flight_limit
        if is_refused:
            metrics.REQUESTS_REFUSED.inc()
        return is_refused

    async def sample(self, database: Database) -> None:
        """Count the waiting work, at most every SAMPLE_SECONDS, until cancelled.

        It is counted only after `refuses` has asked for it, or while the last count is at the limit.
        """
        while True:
            if self.waiting < self.limit:  # at the limit only a sample can end the refusals
                await self.asked.wait()
            self.asked.clear()
            async with database.reading() as connection:
                self.waiting = await self.count(connection)
            await asyncio.sleep(SAMPLE_SECONDS)


class ReadBody(Protocol):
    """Reads a request's body, or answers the request and returns None. See `BodyLimit.read`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> Receive | None: ...


async def leave_body(scope: Scope, receive: Receive, send: Send) -> Receive:
    """Leave the body to the app."""
    return receive


class LoadSheddingMiddleware:
    """The outermost part of the app, inside of `RequestMetrics`. So a refusal costs no span and no routing.

    A POST on one of the paths counts as in flight from the moment when its whole body has arrived, until its answer
    begins. A client that does not send the body, or does not read the answer, does not count.
    """

    def __init__(self, app: ASGIApp, shedding: LoadShedding, read_body: ReadBody = leave_body) -> None:
        self.app = app
        self.shedding = shedding
        self.read_body = read_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self.shedding.refuses(scope["method"], scope["path"]):
            await REFUSAL(scope, receive, send)
            return
        whole = await self.read_body(scope, receive, send)
        if whole is None:
            return
        if self.shedding.applies_to(scope["method"], scope["path"]):
            await self._count(scope, whole, send)
        else:
            await self.app(scope, whole, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app. The request is in flight until the answer begins."""
        shedding = self.shedding
        is_counted = True
        shedding.in_flight += 1

        async def sent(message: Message) -> None:
            nonlocal is_counted
            if is_counted:
                is_counted = False
                shedding.in_flight -= 1
            await send(message)

        try:
            await self.app(scope, receive, sent)
        finally:
            if is_counted:
                shedding.in_flight -= 1
