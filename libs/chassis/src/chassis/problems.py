"""Errors as RFC 9457 problem details: each kind has a `type` of its own, and says the cure where there is one."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import asyncpg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from chassis.backlog import Backlog
from chassis.database import AWAY, is_unavailable

log = structlog.get_logger()

RETRY_LATER = {"Retry-After": "1"}


class ProblemType(NamedTuple):
    """A kind of problem: HTTP status, slug of its `type`, title. `headers` go with every answer of this kind."""

    status: int
    slug: str
    title: str
    headers: Mapping[str, str] | None = None


class Problem(HTTPException):
    """Raise it anywhere under an endpoint to answer with problem details."""

    def __init__(self, status: int, slug: str, title: str, detail: str = "") -> None:
        super().__init__(status, detail)
        self.type = ProblemType(status, slug, title)


def problem_response(kind: ProblemType, /, **more: Any) -> Response:
    """The answer for a problem, as application/problem+json; `more` are further members, such as `detail`."""
    body = {**more, "type": f"urn:shopfloor:problem:{kind.slug}", "title": kind.title, "status": kind.status}
    return Response(json.dumps(body, default=str), kind.status, kind.headers, "application/problem+json")


UNAVAILABLE = ProblemType(503, "database-unavailable", "The database is away", RETRY_LATER)
OVERLOADED = ProblemType(429, "overloaded", "More is waiting than can be done soon", RETRY_LATER)
UNEXPECTED = ProblemType(500, "internal-error", "Something went wrong here; it has been logged")
MALFORMED = ProblemType(400, "malformed-json", "The request's body is not JSON")
INVALID = ProblemType(422, "invalid-request", "The request does not fit the API's description")
REFUSED = problem_response(OVERLOADED, detail="Nothing was changed; repeat it with its Idempotency-Key.")
BY_STATUS = {404: "not-found", 405: "method-not-allowed", 401: "unauthorized", 403: "forbidden"}


def install(app: FastAPI, problems: Mapping[type[Exception], ProblemType]) -> None:
    """Answer every error of an app as a problem; `problems` says which domain error is which."""
    app.exception_handlers |= {
        RequestValidationError: _invalid,
        HTTPException: _http,
        # Starlette logs and raises again whatever is left to `Exception`; that a dependency is away is no bug.
        **dict.fromkeys((*AWAY, asyncpg.PostgresError, Exception), _failed),
        **{error: partial(_domain, kind) for error, kind in problems.items()},
    }


async def _domain(kind: ProblemType, _: Request, error: Exception) -> Response:
    return problem_response(kind, **vars(error) | {"detail": str(error)})


async def _invalid(_: Request, error: RequestValidationError) -> Response:
    if any(e["type"] == "json_invalid" for e in error.errors()):
        return problem_response(MALFORMED, detail=str(error.errors()[0].get("ctx", {}).get("error", "")))
    # The values themselves stay out of the answer: they may be a card token.
    errors = [{"at": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
    detail = "; ".join(f"{e['at']}: {e['message']}" for e in errors)
    return problem_response(INVALID, detail=detail, errors=errors)


async def _http(_: Request, error: HTTPException) -> Response:
    if isinstance(error, Problem):
        return problem_response(error.type, detail=error.detail)
    slug = BY_STATUS.get(error.status_code, "http-error")
    return problem_response(ProblemType(error.status_code, slug, str(error.detail), error.headers))


async def _failed(request: Request, error: Exception) -> Response:
    if is_unavailable(error):
        log.warning("request not served, a dependency is away", error=type(error).__name__)
        detail = "Nothing was changed, or it is not known: repeat with the same Idempotency-Key."
        return problem_response(UNAVAILABLE, detail=detail)
    log.error("request failed", path=request.url.path, exc_info=error)
    return problem_response(UNEXPECTED)


class EdgeMiddleware:
    """Refuses more work than the backlog bears, and bodies above a limit, also those that hide their length.

    It is the outermost of all, so that refusing work costs little: no span, no routing.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, backlog: Backlog | None = None) -> None:
        self.app, self.max_body_bytes, self.backlog = app, max_body_bytes, backlog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limited = _at_most(self.max_body_bytes, receive)
        if scope["type"] != "http" or self.backlog is None:
            return await self.app(scope, limited, send)
        if self.backlog.refuses(scope["method"], scope["path"]):
            return await REFUSED(scope, receive, send)
        self.backlog.in_flight += 1
        try:
            await self.app(scope, limited, send)
        finally:
            self.backlog.in_flight -= 1


class Door(HttpToolsProtocol):
    """uvicorn's HTTP, by which most refusals cost no task and no call of the app.

    At many times what can be done, refusing is most of what there is to do. Nothing depends on it: a connection's first
    request, and those that come before the last one's answer, it leaves to the app.
    """

    def on_headers_complete(self) -> None:
        """Answer a refusal. The last request has its answer, so that uvicorn does not listen to this one's body."""
        backlog: Backlog | None = self.config.app.state.backlog  # type: ignore[union-attr]
        again = self.cycle and self.cycle.response_complete and self.parser.should_keep_alive()
        if not (again and backlog and backlog.refuses(self.parser.get_method().decode(), self.url.decode())):
            return super().on_headers_complete()
        lines = [b"%b: %b" % header for header in (*self.server_state.default_headers, *REFUSED.raw_headers)]
        self.transport.write(b"\r\n".join((STATUS_LINE[429][:-2], *lines, b"", REFUSED.body)))
        return self.on_response_complete()


def _at_most(size: int, receive: Receive) -> Receive:
    """Receive a request's body, and raise a Problem in whoever reads more than `size` bytes of it."""
    left = size

    async def limited() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise Problem(413, "body-too-large", "The body is too large", f"At most {size} bytes are taken.")
        return message

    return limited
