"""The shop is read only while a page is open, and a fault of it is a sentence on the page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shop_floor import floor as floors
from shop_floor.floor import FRAMES_KEPT, Floor, Sources
from shop_floor.looks import Looks
from shop_observe.tail import LogUnreadable
from tools.floor.tests.scenes import TOPICS, Log, Looker, confirmed, healthy, placed_order, until

AWAY = LogUnreadable("Kafka at 127.0.0.1:1 does not answer: is the shop up?")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FRAME_SECONDS", "LOOK_SECONDS", "RETRY_SECONDS", "GRACE_SECONDS"):
        monkeypatch.setattr(floors, name, 0.02)


@asynccontextmanager
async def running(log: Log, looker: Looker) -> AsyncIterator[Floor]:
    floor = Floor(Sources(TOPICS, log.newest, looker.opened))
    try:
        yield floor
    finally:
        await floor.close()


async def test_nothing_is_read_before_a_page_is_open_and_after_the_last_one_is_closed() -> None:
    log = Log()
    async with running(log, Looker(healthy())) as floor:
        assert (floor.is_reading, log.reads) == (False, 0)
        async with floor.page(), floor.page():
            await until(lambda: log.reads == 1)
            await log.write(*confirmed().entries)
            await until(lambda: floor.memory.totals()["orders"] == 1)
        await until(lambda: not floor.is_reading)
        assert floor.memory.totals()["orders"] == 0


async def test_a_page_that_is_loaded_again_does_not_read_the_log_again() -> None:
    log = Log()
    async with running(log, Looker(healthy())) as floor:
        async with floor.page():
            await until(lambda: log.reads == 1)
        async with floor.page():
            await log.write(*placed_order().entries)
            await until(lambda: floor.memory.totals()["orders"] == 1)
        assert log.reads == 1


async def test_every_page_gets_the_same_frame_with_totals_and_answers() -> None:
    log, looker = Log(), Looker(healthy())
    async with running(log, looker) as floor, floor.page() as one, floor.page() as other:
        await log.write(*confirmed().entries)
        frame = await frame_with(one, lambda told: told["totals"]["outcomes"].get("CONFIRMED") == 1)
        assert frame["looks"]["services"]["payments"]["status"] == "ready"
        await until(lambda: len(other.frames) > 0)


async def frame_with(page: floors.Page, wanted: Any) -> dict[str, Any]:
    """The first frame that has what is wanted."""
    found: list[dict[str, Any]] = []

    def is_there() -> bool:
        while page.frames:
            frame = json.loads(page.frames.popleft().partition(b"data: ")[2])
            if wanted(frame):
                found.append(frame)
        return bool(found)

    await until(is_there)
    return found[0]


async def test_a_log_that_cannot_be_read_is_a_sentence_and_is_read_again() -> None:
    log = Log()
    log.fault = AWAY
    async with running(log, Looker(healthy())) as floor, floor.page() as page:
        await frame_with(page, lambda told: told["trouble"] == str(AWAY))
        log.fault = None
        await log.write(*placed_order().entries)
        frame = await frame_with(page, lambda told: told["totals"]["orders"] == 1)
        assert frame["trouble"] == ""


async def test_a_fault_of_the_floor_itself_is_said_and_reading_begins_anew() -> None:
    class Broken(Looker):
        async def look(self) -> Looks:
            if self.looks.kafka == "broken":
                raise RuntimeError("planted")
            return self.looks

    looker = Broken(healthy())
    looker.looks.kafka = "broken"
    async with running(Log(), looker) as floor, floor.page() as page:
        await until(lambda: "planted" in floor.trouble)
        looker.looks.kafka = ""
        await frame_with(page, lambda told: told["looks"]["kafka"] == "" and not told["trouble"])


async def test_a_page_that_takes_nothing_keeps_few_frames_and_holds_up_no_other() -> None:
    log = Log()
    async with running(log, Looker(healthy())) as floor, floor.page() as asleep, floor.page() as awake:
        for _ in range(3 * FRAMES_KEPT):
            await frame_with(awake, lambda _: True)
        assert len(asleep.frames) <= FRAMES_KEPT
        await log.write(*placed_order().entries)
        await frame_with(asleep, lambda told: told["totals"]["orders"] == 1)


async def test_two_hundred_pages_open_and_close() -> None:
    log = Log()
    async with running(log, Looker(healthy())) as floor:
        async with asyncio.TaskGroup() as group:

            async def visit() -> None:
                async with floor.page() as page:
                    await frame_with(page, lambda _: True)

            for _ in range(200):
                group.create_task(visit())
        assert log.reads == 1
        await until(lambda: not floor.is_reading)


async def test_the_page_of_an_order_gets_its_own_records_alone() -> None:
    log = Log()
    order = placed_order()
    async with running(log, Looker(healthy())) as floor, floor.page(order.id) as page:
        await log.write(*placed_order().entries, *order.entries)
        await asyncio.wait_for(page.news.wait(), 5)
        assert [entry.key for entry in page.entries] == [order.id]
        assert not page.frames
