"""The audit lines of a process's log: who has changed something as clerk or operator, and who was refused.

    audit.act               a request of a clerk or an operator that is no read, with its outcome
    audit.refused           a request answered 401 or 403, with the reason
    audit.refusals_omitted  the number of further ones of a reason, when its minute has ended

A line has names that the code chooses, the subject of a verified token, and nothing else of the request: no path, no
body, no token. The path could name a customer, and a token that was refused may name anyone.
"""

import asyncio
from collections import Counter

import structlog
from fastapi import Request, Response
from fastapi.routing import APIRoute

from chassis.observability import metrics
from chassis.web.access import Access, Role
from chassis.web.problems import Problem
from chassis.web.retry_route import Handler
from chassis.web.token_problems import TITLES

log = structlog.get_logger()

READS = frozenset({"GET", "HEAD", "OPTIONS"})
REFUSED = frozenset({401, 403})
LINES = 10
"""Lines of one reason in a period. Further refusals are counted, so that an attacker cannot fill the log."""
PERIOD_SECONDS = 60.0
NOBODY = ""
"""The subject of a request without a verified token."""


class RefusalLog:
    """Writes the refusals of one process, at most `LINES` of a reason in `PERIOD_SECONDS`."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        """Reason → the refusals of the period that goes on."""
        for reason in TITLES:
            metrics.ACCESS_REFUSED.labels(reason)

    def note(self, request: Request, status: int, reason: str) -> None:
        """Count a refusal, and write it if its reason has lines left. `reason` is the slug of a problem."""
        metrics.ACCESS_REFUSED.labels(reason).inc()
        self._seen[reason] += 1
        if self._seen[reason] == 1:
            asyncio.get_running_loop().call_later(PERIOD_SECONDS, self._end_period, reason)
        if self._seen[reason] <= LINES:
            log.warning("audit.refused", **_who_and_what(request), status=status, reason=reason)

    def _end_period(self, reason: str) -> None:
        omitted = self._seen.pop(reason) - LINES
        if omitted > 0:
            log.warning("audit.refusals_omitted", reason=reason, refusals=omitted, seconds=PERIOD_SECONDS)


def is_act(methods: set[str], access: Access) -> bool:
    """Whether requests of a route are acts of a clerk or an operator: they change something."""
    return not methods <= READS and bool({Role.CLERK, Role.OPERATOR}.intersection(access.roles))


async def note_act(request: Request, handle: Handler) -> Response:
    """Handle a request, and write who has sent it and how it has ended."""
    outcome = "failed"
    try:
        answer = await handle(request)
        outcome = str(answer.status_code)
    except Problem as problem:
        outcome = problem.type.slug
        raise
    except Exception as error:
        outcome = type(error).__name__
        raise
    finally:
        log.info("audit.act", **_who_and_what(request), outcome=outcome)
    return answer


def _who_and_what(request: Request) -> dict[str, str]:
    caller = getattr(request.state, "caller", None)
    route = request.scope.get("route")
    return {
        "who": NOBODY if caller is None else caller.subject,
        "method": request.method,
        "route": route.path if isinstance(route, APIRoute) else "",
    }
