"""Customers who place orders of every outcome while an experiment lasts, in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

from shop_lab.experiments import background_orders
from shop_load.client import PATIENCE, LoadFailed
from shop_stack.errors import UserError
from shop_stack.target import Target


class Customers:
    """A context in which `rate` orders per second arrive. 0: none.

    A customer repeats an unanswered request for at most `patience` seconds. Then all give up, and `trouble` says why.
    """

    def __init__(self, target: Target, rate: float, patience: float = PATIENCE) -> None:
        self._target = target
        self._rate = rate
        self._patience = patience
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.placed = 0
        """The orders that were accepted so far."""
        self.trouble = ""
        """Why the customers gave up; empty if they did not."""

    def __enter__(self) -> Customers:
        if self._rate:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def close(self) -> None:
        """Let no more customers come after those of the present round. Returns at once."""
        self._closing.set()

    def leave(self) -> None:
        """Return when the customers have their last answer."""
        self.close()
        if self._thread.is_alive():
            self._thread.join()

    def _serve(self) -> None:
        try:
            asyncio.run(self._come())
        except* (LoadFailed, UserError) as group:
            self.trouble = "; ".join(str(error) for error in group.exceptions)

    async def _come(self) -> None:
        async with background_orders.running(self._target, self._rate, patience=self._patience) as placed:
            while not self._closing.is_set():
                self.placed = len(placed)
                await asyncio.sleep(0.1)
        self.placed = len(placed)
