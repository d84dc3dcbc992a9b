"""The load: orders that arrive by the clock, whether or not the shop keeps up.

A process of its own, so that what it burns is told apart; and a small HTTP client of its own on uvloop, for a
comfortable one would burn more than the shop. An order that the shop sheds (429, 503) comes back when it was asked to,
unless customers are impatient: then it is given up.

    python -m shop.bench.customers --port 18001 --orders 1000 --rate 100 --seed 1 --out sent.json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import uvloop

CONNECTIONS = 64
LONGEST_QUEUE = 1.0
"""Seconds that an impatient customer waits for a free connection."""
SKUS = tuple(f"BENCH-{number:02d}" for number in range(64))
"""So many that no two orders of a moment need to fight for one product."""


Due = tuple[float, str, bytes]
"""When an order is due (seconds since the epoch), its Idempotency-Key, and its request."""

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers with their names in lower case, body."""


class Refused(Exception):
    """The shop will never take this order."""


@dataclass
class Sent:
    """What the customers did and saw."""

    orders: dict[str, float] = field(default_factory=dict)
    """Order id → when its request was due (seconds since the epoch)."""
    answered: list[float] = field(default_factory=list)
    """Seconds from when a request was due to its 202."""
    keys: dict[str, str] = field(default_factory=dict)
    """Order id → the Idempotency-Key that it was placed with."""
    asked: int = 0
    """Requests that were answered."""
    shed: int = 0
    """Answers that asked to come back later."""
    vague: int = 0
    """Those of them that did not say when."""
    left: int = 0
    """Impatient customers who went away before it was their turn to ask."""
    began: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Customers:
    """`orders` orders at `rate` per second, by a Poisson process; a rate of 0 sends them all at once."""

    ports: Sequence[int]
    """Of the replicas of orders: the connections are divided among them, as a load balancer would."""
    orders: int
    rate: float
    seed: int
    connections: int = CONNECTIONS
    impatient: bool = False

    async def come(self) -> Sent:
        """Place all orders; returns when each was taken or given up. Raises a group of Refused if one is refused."""
        sent = Sent(began=time.time())
        due: asyncio.Queue[Due | None] = asyncio.Queue()
        windows = min(self.connections, self.orders)
        async with asyncio.TaskGroup() as group:
            for number in range(windows):
                group.create_task(self._window(self.ports[number % len(self.ports)], due, sent))
            await self._arrive(due)
            for _ in range(windows):
                due.put_nowait(None)
        return sent

    async def _arrive(self, due: asyncio.Queue[Due | None]) -> None:
        dice = random.Random(self.seed)
        moment = time.time()
        for number in range(self.orders):
            if self.rate:
                moment += dice.expovariate(self.rate)
                await asyncio.sleep(max(0.0, moment - time.time()))
            due.put_nowait((moment, f"{self.seed}-{number}", self._request(dice, number)))

    async def _window(self, port: int, due: asyncio.Queue[Due | None], sent: Sent) -> None:
        """Takes the next order that is due, waits for its answer."""
        line = Line(port)
        try:
            while (order := await due.get()) is not None:
                moment, key, request = order
                if self.impatient and time.time() > moment + LONGEST_QUEUE:
                    sent.left += 1
                    continue
                if (order_id := await self._place(line, request, sent)) is not None:
                    sent.answered.append(time.time() - moment)
                    sent.orders[order_id], sent.keys[order_id] = moment, key
        finally:
            line.close()

    async def _place(self, line: Line, request: bytes, sent: Sent) -> str | None:
        """Send a request until it is taken; returns the order's id, None if the customer gave up."""
        while True:
            status, headers, body = await line.ask(request)
            sent.asked += 1
            if status == 202:
                return str(json.loads(body)["order_id"])
            if status not in (429, 503):
                raise Refused(f"An order was answered with {status}: {body[:300].decode()}")
            sent.shed += 1
            sent.vague += "retry-after" not in headers
            if self.impatient:
                return None
            await asyncio.sleep(float(headers.get("retry-after", "1")))

    def _request(self, dice: random.Random, number: int) -> bytes:
        lines = [{"sku": sku, "quantity": dice.randint(1, 3)} for sku in dice.sample(SKUS, 2)]
        order = {
            "customer_id": f"customer-{dice.randrange(1000):03d}",
            "lines": lines,
            "currency": "EUR",
            "payment_token": "tok_ok",
            "deadline_seconds": 3600,  # a backlog is measured here, and not cancelled
        }
        body = json.dumps(order, separators=(",", ":")).encode()
        head = (
            f"POST /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Idempotency-Key: {self.seed}-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class Line(asyncio.Protocol):
    """One connection, opened when it is needed: a server closes those that are idle for long."""

    def __init__(self, port: int) -> None:
        self.port, self.received = port, b""
        self.transport: asyncio.Transport | None = None
        self.answer: asyncio.Future[Answer] | None = None

    async def ask(self, request: bytes) -> Answer:
        """The answer to a request. One that met a closed connection is sent again: its key makes that harmless."""
        if self.transport is not None:
            with suppress(ConnectionError):
                return await self._exchange(self.transport, request)
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self.port)
        return await self._exchange(self.transport, request)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self.transport is not None:
            self.transport.close()

    async def _exchange(self, transport: asyncio.Transport, request: bytes) -> Answer:
        self.received, self.answer = b"", asyncio.get_running_loop().create_future()
        transport.write(request)
        return await self.answer

    def data_received(self, data: bytes) -> None:
        """A piece of the answer; most come in one."""
        self.received += data
        head, whole, body = self.received.partition(b"\r\n\r\n")
        if not whole or self.answer is None or self.answer.done():
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if len(body) >= int(headers["content-length"]):
            self.answer.set_result((int(first.split()[1]), headers, body))

    def connection_lost(self, error: Exception | None) -> None:
        """The shop has closed the connection: whoever waits for an answer gets none on it."""
        self.transport = None
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(error or ConnectionAbortedError("closed without an answer"))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m shop.bench.customers", description="Place orders by the clock."
    )
    parser.add_argument(
        "--port",
        type=int,
        required=True,
        action="append",
        dest="ports",
        help="where orders answers HTTP; once for each of its replicas",
    )
    parser.add_argument("--orders", type=int, required=True, help="how many orders")
    parser.add_argument("--rate", type=float, required=True, help="orders per second; 0: all at once")
    parser.add_argument("--seed", type=int, required=True, help="the same seed, the same orders and keys")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="how many requests at a time")
    parser.add_argument("--impatient", action="store_true", help="an order that is shed is given up")
    parser.add_argument("--out", type=Path, required=True, help="where to write what was sent, as JSON")
    given = parser.parse_args()
    out, options = given.out, {name: value for name, value in vars(given).items() if name != "out"}
    try:
        sent = uvloop.run(Customers(**options).come())
    except* Refused as refused:
        raise SystemExit(str(refused.exceptions[0])) from None
    sent.cpu_seconds = time.process_time()
    out.write_text(json.dumps(asdict(sent)))


if __name__ == "__main__":
    main()
