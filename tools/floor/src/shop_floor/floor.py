"""Reads the shop while a page is open, and tells every open page.

When the last page is closed, nothing is read any more. A page that does not take its frames loses the oldest of them:
totals are in every frame, so only the moving dots are lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from shop_floor.looks import Looks, now_ms
from shop_floor.memory import Memory
from shop_floor.moves import Moves
from shop_observe.kafka_log import Entry
from shop_observe.tail import LogUnreadable
from shop_observe.topics import Topic
from shop_stack.errors import UserError

FRAME_SECONDS = 0.25
LOOK_SECONDS = 1.0
RETRY_SECONDS = 2.0
GRACE_SECONDS = 3.0
"""A page that is loaded again closes its stream and opens a new one: meanwhile the reader goes on."""
FRAMES_KEPT = 8
NEWEST_SHOWN = 40
CONNECTING = "Connecting to Kafka."


def sent_event(name: str, data: Mapping[str, Any]) -> bytes:
    """A server-sent event. Its data is JSON, which has no line break."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))


class Looking(Protocol):
    """What asks the services and Kafka."""

    async def look(self) -> Looks: ...


@dataclass
class Sources:
    """Where the floor reads."""

    topics: Sequence[Topic]
    newest: Callable[[], AsyncGenerator[list[Entry], None]]
    """The newest records, then new ones as they arrive; [] now and then. Raises LogUnreadable."""
    looker: Callable[[], AbstractAsyncContextManager[Looking]]


@dataclass(eq=False)
class Page:
    """One open stream of a browser."""

    order_id: str = ""
    """The order that the page shows; empty for the map."""
    frames: deque[bytes] = field(default_factory=lambda: deque(maxlen=FRAMES_KEPT))
    """As they are sent. All pages have the same objects."""
    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=256))
    """New records of the order."""
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Floor:
    """The state of the shop as pages show it."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._pages: set[Page] = set()
        self._work: asyncio.Task[None] | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._forget()

    def _forget(self) -> None:
        self.memory = Memory(self._sources.topics)
        self.moves = Moves(self._sources.topics)
        self.looks = Looks()
        self.trouble = CONNECTING
        """Why the log is not read; empty if it is."""
        self._changed: set[str] = set()

    @property
    def is_reading(self) -> bool:
        """Whether the shop is read now."""
        return self._work is not None

    @asynccontextmanager
    async def page(self, order_id: str = "") -> AsyncIterator[Page]:
        """An open page. The shop is read while at least one is open."""
        page = Page(order_id)
        self._pages.add(page)
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        if self._work is None:
            self._work = asyncio.create_task(self._read())
        try:
            yield page
        finally:
            self._pages.discard(page)
            if not self._pages:
                self._closing = asyncio.get_running_loop().call_later(GRACE_SECONDS, self._stop)

    def _stop(self) -> None:
        """Read no more, and forget what was read: without a page nothing is held."""
        if self._work is not None:
            self._work.cancel()
            self._work = None
        self._forget()

    async def close(self) -> None:
        """Stop reading, and return when the connections are closed."""
        work = self._work
        self._stop()
        if work is not None:
            await asyncio.gather(work, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._follow())
                    group.create_task(self._look())
                    group.create_task(self._tell())
            except* Exception as errors:
                # A fault of this program must not end the pages: they say what it was, and reading begins anew.
                self.trouble = f"The floor has a fault and begins anew ({errors.exceptions[0]!r})."[:300]
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        """Take in the records of the log. While Kafka is away, say so and try again."""
        while True:
            try:
                async with aclosing(self._sources.newest()) as batches:
                    async for entries in batches:
                        self.trouble = ""
                        self._take_in(entries)
            except (LogUnreadable, UserError, OSError) as error:
                self.trouble = str(error)
            await asyncio.sleep(RETRY_SECONDS)
            # The newest records are read again, so what was counted is forgotten.
            self.memory = Memory(self._sources.topics)

    def _take_in(self, entries: Sequence[Entry]) -> None:
        self._changed |= self.memory.add(entries)
        self.moves.written(entries)
        watched = [page for page in self._pages if page.order_id]
        for page in watched:
            own = [entry for entry in entries if entry.key == page.order_id]
            if own:
                page.entries.extend(own)
                page.news.set()

    async def _look(self) -> None:
        async with self._sources.looker() as looker:
            while True:
                self.looks = await looker.look()
                self.moves.read(self.looks.readings)
                await asyncio.sleep(LOOK_SECONDS)

    async def _tell(self) -> None:
        """Make a frame four times a second, once for all pages."""
        while True:
            await asyncio.sleep(FRAME_SECONDS)
            frame = sent_event("frame", self._frame())
            for page in self._pages:
                if not page.order_id:
                    page.frames.append(frame)
                    page.news.set()

    def _frame(self) -> dict[str, Any]:
        changed, self._changed = self._changed, set()
        orders = self.memory.orders
        newest = [key for key in reversed(orders) if key in changed][:NEWEST_SHOWN]
        return {
            "at": now_ms(),
            "trouble": self.trouble,
            "moves": self.moves.take(),
            "totals": self.memory.totals(),
            "orders": [orders[key].summary() for key in newest],
            "looks": self.looks.as_json(),
        }

    def whole(self) -> dict[str, Any]:
        """Everything that a map page needs when it is opened."""
        return {
            "at": now_ms(),
            "trouble": self.trouble,
            "moves": [],
            "totals": self.memory.totals(),
            "orders": self.memory.summaries(NEWEST_SHOWN),
            "looks": self.looks.as_json(),
        }
