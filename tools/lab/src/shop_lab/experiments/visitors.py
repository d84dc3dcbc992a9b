"""Visitors who notice every request that fails: each has two doors, and a connection of its own for each request.

There is no load balancer on this machine. Where a door is shut (the connection is refused) a visitor takes the other,
as a balancer would, and nothing has failed: nobody had taken the request. Once a connection stands the request has been
accepted, and an answer below 500 is owed.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from shop_load.open_loop import Answer, answer_in
from shop_load.plans import Plan
from shop_observe.history import History
from shop_stack.errors import UserError

TRIES = 200
PAUSE = 0.05


@dataclass
class Visitor:
    """Asks one service, by its doors in turn."""

    doors: Sequence[int]
    """Ports of its replicas."""
    answers: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """How accepted requests failed → how often."""
    refused: int = 0
    """Doors that were found shut."""

    async def ask(self, request: bytes) -> Answer:
        """The answer to a request, which is repeated until there is one. Raises UserError if no door ever opens."""
        for turn in range(TRIES):
            try:
                answer = await _exchange(self.doors[turn % len(self.doors)], request)
            except ConnectionRefusedError:
                self.refused += 1
                await asyncio.sleep(PAUSE if turn % len(self.doors) else 0)
            except ConnectionError as error:
                self.failures[type(error).__name__] += 1
            else:
                if answer.status < 500:
                    self.answers += 1
                    return answer
                self.failures[str(answer.status)] += 1
        raise UserError(f"None of the ports {self.doors} answers: see `shop status`.")


async def _exchange(door: int, request: bytes) -> Answer:
    """The answer of whoever is behind a door. Raises ConnectionError if there is none, or not the whole of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door)
    try:
        writer.write(request)
        answer = answer_in(await reader.read())
    finally:
        writer.close()
    if answer is None:
        raise ConnectionAbortedError("closed without an answer")
    return answer


async def look_around(visitor: Visitor, path: str, goes_on: Callable[[], bool], pause: float) -> None:
    """GET a path again and again."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    while goes_on():
        status, _, _ = await visitor.ask(request)
        if status != 200:
            visitor.failures[str(status)] += 1
        await asyncio.sleep(pause)


async def buy(visitor: Visitor, plans: Iterable[Plan], goes_on: Callable[[], bool], history: History) -> None:
    """Place one order after the other."""
    for plan in plans:
        if not goes_on():
            return
        number = history.asked("place-order", key=plan.key, scenario=plan.scenario)
        status, _, body = await visitor.ask(_order(plan))
        history.answered(number, status, json.loads(body).get("order_id", ""))


def _order(plan: Plan) -> bytes:
    body = json.dumps(plan.body).encode()
    head = (
        f"POST /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {plan.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
