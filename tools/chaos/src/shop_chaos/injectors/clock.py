"""A clock that is wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from shop_chaos.injectors.injector import Injector
from shop_chaos.system import System
from shop_stack import embedded
from shop_stack.errors import UserError

LIBRARIES = Path("/usr/lib")
ANSWER_SECONDS = 5.0


@dataclass
class ClockMoved(Injector):
    """Restart a service with a clock that is `minutes` ahead, or behind if negative. At the end it has the right one.

    libfaketime changes the time of day. The monotonic clock, with which the service measures its waits, stays.
    """

    service: str
    minutes: int

    async def inject(self, on: System) -> None:
        moved = {**on.stack.environment, **preloaded(self.minutes)}
        await embedded.stop(on.stack, self.service)
        await embedded.start(replace(on.stack, environment=moved), self.service)

    async def seen(self, on: System, before: Mapping[str, Any]) -> dict[str, int]:
        """The difference by the header Date of the service's answers, if it has the right sign."""
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as client:
            answer = await client.get(f"{on.stack.management_url(self.service)}/livez")
        ahead = parsedate_to_datetime(answer.headers["date"]).timestamp() - time.time()
        return {"seconds of difference": max(0, round(ahead if self.minutes > 0 else -ahead))}

    async def heal(self, on: System) -> None:
        await embedded.stop(on.stack, self.service)
        await embedded.start(on.stack, self.service)


def library() -> Path | None:
    """The file of libfaketime for programs with threads; None if the package is not installed."""
    return next(LIBRARIES.glob("*/faketime/libfaketimeMT.so.1"), None)


def preloaded(minutes: int) -> dict[str, str]:
    """The variables that move a program's clock. Raises UserError without libfaketime."""
    found = library()
    if found is None:
        raise UserError("A clock is moved by libfaketime: install the package libfaketime of the system.")
    return {
        "LD_PRELOAD": str(found),
        "FAKETIME": f"{minutes:+d}m",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }
