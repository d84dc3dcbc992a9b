"""The issuer's audit lines, as JSON on standard output: who has changed or searched something, and who was refused.

    audit.act      a change of keys, a search in the directory, an erased entry; with its outcome
    audit.refused  requests answered 401 or 403: a line of each reason at most once a minute, with their number

No line has a secret, a token, a login name or an address.
"""

import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

PERIOD_SECONDS = 60.0
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


class Refusals:
    """The refusals of one issuer."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        """`now` gives the time in seconds since 1970."""
        self._now = now
        self._untold: Counter[str] = Counter()
        """Reason → the refusals since its last line."""
        self._told_at: dict[str, float] = {}

    def note(self, request: Request, status: int, reason: str) -> None:
        """Count a refusal, and write its reason if that was not done in the last minute. The code chooses `reason`."""
        self._untold[reason] += 1
        now = self._now()
        if now - self._told_at.get(reason, 0.0) >= PERIOD_SECONDS:
            self._told_at[reason] = now
            refusals = self._untold.pop(reason)
            _write("audit.refused", who=_who(request), status=status, reason=reason, refusals=refusals)


def audited(route: str, handle: Handler) -> Handler:
    """A handler that writes each act of a caller that it has let in. `handle` sets `request.state.who`."""

    async def handle_audited(request: Request) -> Response:
        outcome = "failed"
        try:
            answer = await handle(request)
            outcome = str(answer.status_code)
        except Exception as error:
            outcome = str(getattr(error, "status", type(error).__name__))
            raise
        finally:
            if who := _who(request):
                _write("audit.act", who=who, method=request.method, route=route, outcome=outcome)
        return answer

    return handle_audited


def _who(request: Request) -> str:
    """The caller whose secret or token was right; empty if there is none."""
    return str(getattr(request.state, "who", ""))


def _write(event: str, **fields: Any) -> None:
    line = {"event": event, **fields, "service": "issuer", "timestamp": datetime.now(UTC).isoformat()}
    print(json.dumps(line), flush=True)
