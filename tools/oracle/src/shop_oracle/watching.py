"""Asks the oracle again and again, and gives its verdict to Prometheus: no service knows of it.

At rest all invariants are judged. In a busy shop those are judged that hold at every moment. A judgement counts until
the same invariant is judged again.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from prometheus_client import CollectorRegistry, Gauge, start_http_server

from shop_observe.topics import declared_topics
from shop_oracle.gather import gather
from shop_oracle.invariants import INVARIANTS
from shop_oracle.invariants.always import ALWAYS
from shop_oracle.looks import Look, look
from shop_oracle.looks import judge as judge_always
from shop_oracle.quiet import wait_for_rest
from shop_oracle.report import judge
from shop_stack.errors import UserError
from shop_stack.ports import require_free
from shop_stack.target import Target, TargetMissing

NAMES = sorted({invariant.__name__ for invariant in (*INVARIANTS, *ALWAYS)})
"""All invariants: those that are judged at rest, and those that hold at every moment."""
STAYS_SECONDS = 5.0
"""A shop that has come to rest is looked at once more, so long at most, before it is judged."""


class Board:
    """The newest judgement of each invariant, as metrics."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.registry = CollectorRegistry()
        self._violations = Gauge(
            "shopfloor_oracle_violations",
            "Violations that the newest judgement of an invariant has found",
            ["invariant"],
            registry=self.registry,
        )
        age = Gauge(
            "shopfloor_oracle_age_seconds",
            "Seconds since an invariant was judged",
            ["invariant"],
            registry=self.registry,
        )
        self._judged = dict.fromkeys(NAMES, clock())
        self._red: dict[str, int] = {}
        self.unread = ""
        """Why the newest round did not judge everything; empty if it did."""
        for name in NAMES:
            self._violations.labels(name)
            age.labels(name).set_function(partial(self._age_of, name))

    def _age_of(self, name: str) -> float:
        return self._clock() - self._judged[name]

    @property
    def red(self) -> Mapping[str, int]:
        """Invariant → its violations, for those that are violated."""
        return self._red

    @property
    def is_green(self) -> bool:
        """Whether no invariant is violated, and the newest round has read all that it needs."""
        return not self._red and not self.unread

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        red = ", ".join(f"{name.replace('_', ' ')} ({count})" for name, count in sorted(self._red.items()))
        parts = [f"red: {red}" if red else "", f"not judged: {self.unread}" if self.unread else ""]
        return "; ".join(filter(None, parts)) or "green: no invariant is violated"

    def note(self, found: Look) -> None:
        """Take in the judgements of a round."""
        self.unread = f"{', '.join(found.away)} cannot be read" if found.away else ""
        for name, violations in found.violations.items():
            self._judged[name] = self._clock()
            self._violations.labels(name).set(len(violations))
            self._red.pop(name, None)
            if violations:
                self._red[name] = len(violations)

    @contextmanager
    def served(self, host: str, port: int) -> Iterator[None]:
        """Answer `GET /metrics` while the context lasts. Raises UserError if the port is in use."""
        require_free("the oracle", port)
        server, thread = start_http_server(port, host, self.registry)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


async def judgements(target: Target, patience: float) -> Look:
    """What the oracle can say now. It waits at most `patience` seconds until the shop is at rest.

    Raises UserError if a part of the evidence cannot be read.
    """
    if await wait_for_rest(target, declared_topics(target.contracts), patience):
        return await look(target)
    evidence = await gather(target, STAYS_SECONDS, lambda _: None)
    verdict = judge(evidence)
    if verdict.unrest:
        return await look(target)
    at_rest = {INVARIANTS[one.number - 1].__name__: one.judgement.violations for one in verdict.rulings}
    return Look({**judge_always(evidence, []).violations, **at_rest})


async def watch(
    shop: Callable[[], Target], board: Board, every: float, patience: float, tell: Callable[[str], None]
) -> None:
    """Ask until SIGINT or SIGTERM, with a pause of `every` seconds. `tell` gets a sentence when it changes.

    `shop` is called in each round, because passwords may have changed. It may raise UserError or TargetMissing.
    """
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    asking = asyncio.create_task(_ask(shop, board, every, patience, tell))
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait([asking, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in (asking, waiting):
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asking


async def _ask(
    shop: Callable[[], Target], board: Board, every: float, patience: float, tell: Callable[[str], None]
) -> None:
    said = ""
    while True:
        try:
            board.note(await judgements(shop(), patience))
        except (UserError, TargetMissing) as error:
            board.unread = str(error)
        if board.sentence != said:
            tell(board.sentence)
        said = board.sentence
        await asyncio.sleep(every)
