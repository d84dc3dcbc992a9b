"""The rate limit: a caller that sends more requests than its share is refused with 429 and `Retry-After`.

A caller is the subject of a verified token, so a second token of the same subject has no share of its own. Operators
have no limit: they repair the shop while it is under load. Each process counts for itself, so with N replicas a caller
has N shares.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

from chassis.observability import metrics
from chassis.web.access import Caller, Role
from chassis.web.problems import Problem, ProblemType

MAX_CALLERS = 4_096
"""The maximum number of callers that are counted. With one more, the caller that sent nothing for the longest time is
forgotten.
"""
SLUG = "too-many-requests"
TITLE = "The caller sends too many requests"
DETAIL = "Nothing was changed; repeat it with its Idempotency-Key. Other callers are answered."


class TooManyRequests(Problem):
    """A caller has used up its share (429). In `seconds` it may send a request again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(429, SLUG, TITLE, DETAIL)
        self.type = ProblemType(429, SLUG, TITLE, {"Retry-After": str(max(1, math.ceil(seconds)))})


class RateLimit:
    """A token bucket for each caller: it holds `burst` requests, and `per_second` requests are added each second."""

    def __init__(self, per_second: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        """`now` gives the time in seconds."""
        self._per_second = per_second
        self._burst = float(burst)
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Subject → the requests in its bucket, and the time of its last request. The last caller is at the end."""

    def take(self, caller: Caller) -> None:
        """Take a request out of the caller's bucket. Raises TooManyRequests if none is left."""
        if Role.OPERATOR in caller.roles:
            return
        now = self._now()
        left, last = self._buckets.get(caller.subject, (self._burst, now))
        left = min(self._burst, left + (now - last) * self._per_second)
        is_refused = left < 1
        self._buckets[caller.subject] = (left if is_refused else left - 1, now)
        self._buckets.move_to_end(caller.subject)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        if is_refused:
            metrics.REQUESTS_LIMITED.inc()
            raise TooManyRequests((1 - left) / self._per_second)
