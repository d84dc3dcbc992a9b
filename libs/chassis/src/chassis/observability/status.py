"""What a task of this process does, and since when. Readiness shows it."""

import time
from datetime import UTC, datetime

OK = "ok"
STALLED_SECONDS = 15.0
"""A task that goes round more often than this, and did not, makes no progress."""


class TaskStatus:
    """The status of one task: `ok`, or what it waits for."""

    def __init__(self) -> None:
        self._text = "has not begun"
        self._since = datetime.now(UTC)
        self._moved_at = 0.0

    def set(self, text: str) -> None:
        """The task does this from now on, unless it did so before."""
        if text != self._text:
            self._text = text
            self._since = datetime.now(UTC)
        self._moved_at = time.monotonic()

    def moved(self) -> None:
        """The task has gone round once. What it waits for stays."""
        self._moved_at = time.monotonic()

    @property
    def text(self) -> str:
        """`ok`, or what is wrong."""
        idle = time.monotonic() - self._moved_at
        if self._text == OK and idle > STALLED_SECONDS:
            return f"no progress for {idle:.0f} s"
        return self._text

    @property
    def since(self) -> str:
        """When it became so, in ISO 8601."""
        return self._since.isoformat(timespec="seconds")
