"""The fence: until when this process may send, by its own clock."""

import math
import time
from dataclasses import dataclass


@dataclass(slots=True)
class Fence:
    """Open until `until`, a time of `time.monotonic()`.

    A relay opens it with each renewal of its leases, for a shorter time than they last. A process that was frozen, or
    whose database does not answer, finds it closed and sends nothing more: another relay may have its shards by then.
    """

    until: float = math.inf

    def is_open(self) -> bool:
        """Whether records may be sent now."""
        return time.monotonic() < self.until

    def seconds_left(self) -> float:
        """How long it stays open if nothing opens it again; not negative."""
        return max(0.0, self.until - time.monotonic())

    def close(self) -> None:
        """Nothing may be sent until the next renewal."""
        self.until = -math.inf
