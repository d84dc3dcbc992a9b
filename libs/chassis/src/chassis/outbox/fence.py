"""The fence: the time, by this process's own clock, until which it may send."""

import math
import time
from dataclasses import dataclass


@dataclass(slots=True)
class Fence:
    """Open until `until`, a time of `time.monotonic()`.

    A relay opens the fence at each renewal of its leases, for less time than they last. After a process was frozen, or
    while its database does not answer, the fence is closed and the process sends nothing. Another relay may have its
    shards by then.
    """

    until: float = math.inf

    def is_open(self) -> bool:
        """Whether records may be sent now."""
        return time.monotonic() < self.until

    def seconds_left(self) -> float:
        """The seconds until the fence closes, or 0."""
        return max(0.0, self.until - time.monotonic())

    def close(self) -> None:
        """Close the fence until the next renewal."""
        self.until = -math.inf
