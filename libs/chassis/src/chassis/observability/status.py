"""The status of a task of this process, and the time of its last change. `/readyz` shows those of the relay, of the
consumer and of the task that reads the issuer's keys.
"""

import time
from datetime import UTC, datetime

OK = "ok"
STALLED_SECONDS = 15.0
"""A task that is `ok` and has finished no iteration for these seconds is shown as `no progress`."""


class TaskStatus:
    """The status of a task: `ok`, or the reason why it is not (it has not begun, waits for a dependency, or failed)."""

    def __init__(self, stalled_seconds: float = STALLED_SECONDS) -> None:
        """`stalled_seconds` replaces STALLED_SECONDS for a task whose iterations are longer."""
        self._stalled_seconds = stalled_seconds
        self._text = "has not begun"
        self._since = datetime.now(UTC)
        self._last_progress_at = 0.0

    def set(self, text: str) -> None:
        """Set the status. If it is the same as before, the time of the last change stays."""
        if text != self._text:
            self._text = text
            self._since = datetime.now(UTC)
        self._last_progress_at = time.monotonic()

    def mark_progress(self) -> None:
        """Note that the task has finished an iteration. The status stays."""
        self._last_progress_at = time.monotonic()

    @property
    def text(self) -> str:
        """`ok`, or the fault."""
        idle = time.monotonic() - self._last_progress_at
        if self._text == OK and idle > self._stalled_seconds:
            return f"no progress for {idle:.0f} s"
        return self._text

    @property
    def since(self) -> str:
        """The time of the last change, in ISO 8601."""
        return self._since.isoformat(timespec="seconds")
