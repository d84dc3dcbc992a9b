"""An open loop: orders arrive at a fixed rate, even if the shop cannot keep up.

It is a process of its own, so that its CPU time can be separated from the shop's. A customer whose order is shed
(429, 503) asks again after `Retry-After`; with `--impatient` the customer gives the order up. With `--patience` a
request that fails (5xx, no answer, a closed connection) is repeated for so many seconds; then the order is lost.

    python -m shop_load.open_loop --port 18001 --orders 1000 --rate 100 --seed 1 --tokens tokens.json --out sent.json
"""

from __future__ import annotations

import argparse
import json
import random
import selectors
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from heapq import heappop, heappush
from pathlib import Path

from shop_load.window import Order, Refused, Window

CONNECTIONS = 64
LONGEST_QUEUE = 1.0
"""Seconds for which an impatient customer waits for a free connection."""
DEADLINE_SECONDS = 3600
"""The deadline of an order, if none is given. It is long, because a measured backlog must not be cancelled."""
PAUSE_AFTER_FAILURE = 1.0
LOOK_FOR_SILENCE = 1.0
"""Seconds between two checks for requests without an answer."""
CUSTOMERS = tuple(f"customer-{number:03d}" for number in range(100))
"""The customers who order, in turn. Each needs a token."""
SKUS = tuple(f"BENCH-{number:02d}" for number in range(64))
"""So many that orders of the same moment rarely lock the same product."""


@dataclass
class Sent:
    """What the customers sent, and which answers they got."""

    orders: dict[str, float] = field(default_factory=dict)
    """Order id → the time at which its request was due (seconds since the epoch)."""
    answered: list[float] = field(default_factory=list)
    """For each accepted order, the seconds from the time at which its request was due until its 202."""
    keys: dict[str, str] = field(default_factory=dict)
    """Order id → the Idempotency-Key that it was placed with."""
    asked: int = 0
    """Requests that were answered."""
    shed: int = 0
    """Answers 429 and 503."""
    vague: int = 0
    """Answers 429 and 503 without `Retry-After`."""
    left: int = 0
    """Impatient customers who left before a connection was free."""
    failed: int = 0
    """Requests that failed, and were repeated or given up. Counted only with `patience`."""
    lost: int = 0
    """Orders that customers gave up after `patience` seconds."""
    began: float = 0.0
    cpu_seconds: float = 0.0


@dataclass
class Customers:
    """`orders` orders at `rate` per second, as a Poisson process; a rate of 0 sends all at once."""

    ports: Sequence[int]
    """The ports of the replicas of orders. The connections are divided among them, as a load balancer does it."""
    orders: int
    rate: float
    seed: int
    connections: int = CONNECTIONS
    impatient: bool = False
    patience: float = 0.0
    """Seconds after which an order counts as lost; 0: the first request that fails ends the run."""
    deadline: int = DEADLINE_SECONDS
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Customer → token. A customer without one sends none."""
    sent: Sent = field(default_factory=Sent, init=False)
    _free: deque[Window] = field(default_factory=deque, init=False)
    _later: list[tuple[float, Order, Window]] = field(default_factory=list, init=False)
    """(time of the next attempt, order, connection), soonest first."""

    def come(self) -> Sent:
        """Place all orders. Returns when each was accepted or given up.

        Raises Refused if an order gets an answer that is not 202, 429 or 503, and OSError if a connection fails. With
        `patience` these requests are repeated instead, except after an answer below 500.
        """
        self.sent.began = time.time()
        with selectors.DefaultSelector() as ready, ExitStack() as closing:
            windows = [Window(self.ports[n % len(self.ports)], ready) for n in range(self.connections)]
            for window in windows:
                closing.callback(window.close)
            self._free.extend(windows)
            self._serve(ready, windows)
        return self.sent

    def _serve(self, ready: selectors.BaseSelector, windows: Sequence[Window]) -> None:
        coming = self._arrivals(self.sent.began)
        due = next(coming, None)
        looked = time.time()
        while due is not None or len(self._free) < len(windows):
            for key, _ in ready.select(self._pause(due)):
                self._look(key.data)
            while due is not None and self._free and due.moment <= time.time():
                self._first(due)
                due = next(coming, None)
            while self._later and self._later[0][0] <= time.time():
                _, order, window = heappop(self._later)
                self._ask(window, order)
            if self.patience and time.time() > looked + LOOK_FOR_SILENCE:
                looked = time.time()
                self._give_up_silent(windows)

    def _arrivals(self, moment: float) -> Iterator[Order]:
        dice = random.Random(self.seed)
        for number in range(self.orders):
            moment += dice.expovariate(self.rate) if self.rate else 0.0
            key = f"{self.seed}-{number}"
            yield Order(moment, key, _request(dice, key, self.deadline, self.tokens))

    def _first(self, order: Order) -> None:
        """Send an order that is due on a free connection."""
        if self.impatient and time.time() > order.moment + LONGEST_QUEUE:
            self.sent.left += 1
        else:
            self._ask(self._free.popleft(), order)

    def _ask(self, window: Window, order: Order) -> None:
        try:
            window.ask(order)
        except OSError:
            if not self.patience:
                raise
            window.close()
            self._failed(window, order)

    def _failed(self, window: Window, order: Order) -> None:
        """Repeat the order of a request that failed, or count it as lost."""
        self.sent.failed += 1
        window.order = None
        if time.time() > order.moment + self.patience:
            self.sent.lost += 1
            self._free.append(window)
        else:
            heappush(self._later, (time.time() + PAUSE_AFTER_FAILURE, order, window))

    def _give_up_silent(self, windows: Sequence[Window]) -> None:
        for window in windows:
            order = window.order
            if order is not None and time.time() > order.moment + self.patience:
                window.close()
                self._failed(window, order)

    def _pause(self, due: Order | None) -> float | None:
        """Seconds until the next action that does not depend on an answer; None if there is none."""
        moments = [until for until, _, _ in self._later[:1]]
        if self.patience:
            moments.append(time.time() + LOOK_FOR_SILENCE)
        if due is not None and self._free:
            moments.append(due.moment)
        return max(0.0, min(moments) - time.time()) if moments else None

    def _look(self, window: Window) -> None:
        order = window.order
        try:
            answer = window.look()
        except (Refused, OSError):
            if not self.patience or order is None:
                raise
            window.close()
            self._failed(window, order)
            return
        if answer is None or order is None:
            return
        self.sent.asked += 1
        if answer.status == 202:
            order_id = str(json.loads(answer.body)["order_id"])
            self.sent.answered.append(time.time() - order.moment)
            self.sent.orders[order_id], self.sent.keys[order_id] = order.moment, order.key
        elif self.patience and answer.status >= 500 and answer.status != 503:
            self._failed(window, order)
            return
        elif answer.status not in (429, 503):
            raise Refused(f"An order was answered with {answer.status}: {answer.body[:300].decode()}")
        else:
            self.sent.shed += 1
            self.sent.vague += "retry-after" not in answer.headers
            if self.patience and time.time() > order.moment + self.patience:
                self.sent.lost += 1
            elif not self.impatient:
                until = time.time() + float(answer.headers.get("retry-after", "1"))
                heappush(self._later, (until, order, window))
                return
        self._free.append(window)


def _request(dice: random.Random, key: str, deadline: int, tokens: Mapping[str, str]) -> bytes:
    customer = dice.choice(CUSTOMERS)
    lines = [{"sku": sku, "quantity": dice.randint(1, 3)} for sku in dice.sample(SKUS, 2)]
    order = {
        "lines": lines,
        "currency": "EUR",
        "payment_token": f"tok_ok_{key}",
        "deadline_seconds": deadline,
    }
    body = json.dumps(order, separators=(",", ":")).encode()
    login = f"Authorization: Bearer {tokens[customer]}\r\n" if customer in tokens else ""
    head = (
        f"POST /orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{login}"
        f"Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _tokens(file: str) -> dict[str, str]:
    """The tokens in a file. They are no arguments, because other users can see the arguments of a process."""
    found: dict[str, str] = json.loads(Path(file).read_text())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m shop_load.open_loop", description="Place orders at a fixed rate."
    )
    parser.add_argument(
        "--port",
        type=int,
        required=True,
        action="append",
        dest="ports",
        help="the HTTP port of orders; give it once for each replica",
    )
    parser.add_argument("--orders", type=int, required=True, help="how many orders")
    parser.add_argument("--rate", type=float, required=True, help="orders per second; 0: all at once")
    parser.add_argument("--seed", type=int, required=True, help="the same seed, the same orders and keys")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="how many requests at a time")
    parser.add_argument("--impatient", action="store_true", help="give an order up if it is shed")
    parser.add_argument(
        "--patience",
        type=float,
        default=0.0,
        help="repeat a request that fails for so many seconds; 0: the first failure ends the run",
    )
    parser.add_argument(
        "--deadline", type=int, default=DEADLINE_SECONDS, help="deadline of each order, seconds"
    )
    parser.add_argument("--tokens", type=_tokens, required=True, help="a JSON file: customer → token")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file for the result")
    given = parser.parse_args()
    out, options = given.out, {name: value for name, value in vars(given).items() if name != "out"}
    try:
        sent = Customers(**options).come()
    except Refused as refused:
        raise SystemExit(str(refused)) from None
    sent.cpu_seconds = time.process_time()
    out.write_text(json.dumps(asdict(sent)))


if __name__ == "__main__":
    main()
