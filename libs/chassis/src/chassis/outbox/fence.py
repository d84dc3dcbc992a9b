"""The fence: the time until which this process may send, by its own clock."""

import math
import time
from dataclasses import dataclass


@dataclass(slots=True)
class Fence:
    """Open until `until`, a time of `time.monotonic()`.

    At each renewal of its leases a relay sets `until` to one second before the leases end. After a process was frozen,
    or while its database does not answer, the fence is closed and the process sends nothing, because another relay may
    have its shards by then. No broker and no database checks the fence. A record that is sent late makes a duplicate,
    which the inbox drops. The position in the database is safe: only the owner of the lease can change it.
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
