"""HTTP clients that count every failed request. Each knows two replicas, and opens a connection for each request.

There is no load balancer on this machine. If a replica refuses the connection, the client uses the other one, as a
load balancer would. This is not a failure, because no process had accepted the request. If a replica accepts the
connection, it must answer with a status below 500.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from shop_load.plans import Plan
from shop_load.window import Answer, answer_in
from shop_observe.history import History
from shop_stack.errors import UserError

Login = Callable[[], str]
"""Gives the value of the header `Authorization`."""

PATIENCE = 60.0
"""Seconds after which a client gives up: longer than the stop and the start of a service on a busy machine."""
PAUSE = 0.05
"""Seconds after every replica was tried."""


@dataclass
class Client:
    """A client of one service, which uses the service's replicas in turn."""

    ports: Sequence[int]
    """The ports of the replicas."""
    answers: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Kind of failure of an accepted request → how often."""
    refused: int = 0
    """Connections that were refused."""

    async def ask(self, request: bytes) -> Answer:
        """Send a request until it is answered below 500, for PATIENCE seconds at most. Raises UserError."""
        given_up = time.monotonic() + PATIENCE
        for port in itertools.cycle(self.ports):
            if time.monotonic() > given_up:
                break
            try:
                answer = await _exchange(port, request)
            except ConnectionRefusedError:
                self.refused += 1
            except ConnectionError as error:
                self.failures[type(error).__name__] += 1
            else:
                if answer.status < 500:
                    self.answers += 1
                    return answer
                self.failures[str(answer.status)] += 1
            await asyncio.sleep(PAUSE if port == self.ports[-1] else 0)
        raise UserError(f"None of the ports {self.ports} answers: see `shop status`.")


async def _exchange(port: int, request: bytes) -> Answer:
    """The answer of the process on a port. Raises ConnectionError if there is none or only a part of one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        answer = answer_in(await reader.read())
    finally:
        writer.close()
    if answer is None:
        raise ConnectionAbortedError("closed without an answer")
    return answer


async def read_repeatedly(
    client: Client, path: str, login: Login, goes_on: Callable[[], bool], pause: float
) -> None:
    """Send GET requests for a path until `goes_on` returns False, with `pause` seconds after each."""
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    while goes_on():
        status, _, _ = await client.ask(f"{head}Authorization: {login()}\r\n\r\n".encode())
        if status != 200:
            client.failures[str(status)] += 1
        await asyncio.sleep(pause)


async def buy(
    client: Client,
    plans: Iterable[Plan],
    login_of: Callable[[str], str],
    goes_on: Callable[[], bool],
    history: History,
) -> None:
    """Place one order after another until `goes_on` returns False or all plans are used.

    `login_of(customer)` is the value of the header `Authorization`.
    """
    for plan in plans:
        if not goes_on():
            return
        number = history.asked("place-order", key=plan.key, customer=plan.customer, scenario=plan.scenario)
        status, _, body = await client.ask(_order(plan, login_of(plan.customer)))
        history.answered(number, status, json.loads(body).get("order_id", ""))


def _order(plan: Plan, login: str) -> bytes:
    body = json.dumps(plan.body).encode()
    head = (
        f"POST /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Authorization: {login}\r\nIdempotency-Key: {plan.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
