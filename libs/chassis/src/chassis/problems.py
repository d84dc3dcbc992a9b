"""Errors as RFC 9457 problem details: each kind has a `type` of its own, and says the cure where there is one."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.backlog import Backlog
from chassis.database import is_unavailable

log = structlog.get_logger()

RETRY_LATER = {"Retry-After": "1"}


@dataclass(frozen=True, slots=True)
class ProblemType:
    """A kind of problem: HTTP status, slug of its `type`, title. `headers` go with every answer of this kind."""

    status: int
    slug: str
    title: str
    headers: Mapping[str, str] | None = None


class Problem(Exception):
    """Raise it anywhere under an endpoint to answer with problem details; `extensions` become members of the body."""

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str = "",
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(detail or title)
        self.type = ProblemType(status, slug, title, headers)
        self.detail = detail
        self.extensions = extensions


def problem_response(kind: ProblemType, detail: str = "", more: Mapping[str, Any] | None = None) -> Response:
    """The answer for a problem, as application/problem+json."""
    body = {"type": f"urn:shopfloor:problem:{kind.slug}", "title": kind.title, "status": kind.status}
    body |= {"detail": detail} if detail else {}
    content = json.loads(json.dumps({**(more or {}), **body}, default=str))
    return JSONResponse(content, kind.status, dict(kind.headers or {}), "application/problem+json")


UNAVAILABLE = ProblemType(503, "database-unavailable", "The database is away", RETRY_LATER)
OVERLOADED = ProblemType(429, "overloaded", "More is waiting than can be done soon", RETRY_LATER)
TOO_LARGE = ProblemType(413, "body-too-large", "The request's body is too large")
UNEXPECTED = ProblemType(500, "internal-error", "Something went wrong here; it has been logged")
MALFORMED = ProblemType(400, "malformed-json", "The request's body is not JSON")
INVALID = ProblemType(422, "invalid-request", "The request does not fit the API's description")
BY_STATUS = {404: "not-found", 405: "method-not-allowed", 401: "unauthorized", 403: "forbidden"}


def install(app: FastAPI, problems: Mapping[type[Exception], ProblemType]) -> None:
    """Answer every error of an app as a problem; `problems` says which domain error is which."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for error, kind in problems.items():
        app.add_exception_handler(error, _domain(kind))
    app.add_exception_handler(Exception, _unexpected)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error.type, error.detail, error.extensions)


def _domain(kind: ProblemType) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_: Request, error: Exception) -> Response:
        return problem_response(kind, str(error), vars(error))

    return answer


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if any(e["type"] == "json_invalid" for e in error.errors()):
        return problem_response(MALFORMED, str(error.errors()[0].get("ctx", {}).get("error", "")))
    # The values themselves stay out of the answer: they may be a card token.
    errors = [{"at": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()]
    detail = "; ".join(f"{e['at']}: {e['message']}" for e in errors)
    return problem_response(INVALID, detail, {"errors": errors})


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    slug = BY_STATUS.get(error.status_code, "http-error")
    return problem_response(ProblemType(error.status_code, slug, str(error.detail), error.headers))


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request failed", path=request.url.path, exc_info=error)
    return problem_response(UNEXPECTED)


class _TooLarge(Exception):
    pass


class Shedding:
    """Refuses more work than the backlog bears. The outermost of all, so that a refusal costs next to nothing: no span,
    no routing, and its bytes are made once. At many times what can be done, refusing is most of what there is to do."""

    def __init__(self, app: ASGIApp, backlog: Backlog) -> None:
        self.app, self.backlog = app, backlog
        detail = (
            "Nothing was changed: repeat it after the seconds in Retry-After, with the same Idempotency-Key."
        )
        self.refusal = problem_response(OVERLOADED, detail)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if self.backlog.refuses(scope["method"], scope["path"]):
            return await self.refusal(scope, receive, send)
        self.backlog.in_flight += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.backlog.in_flight -= 1


class EdgeMiddleware:
    """Refuses bodies above a limit, also chunked ones; answers 503 where a dependency is away.

    The last is done here and not by an exception handler, since Starlette logs and raises again whatever its
    catch-all handler has answered.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app, self.max_body_bytes = app, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            await self.app(scope, await self._limited(scope, receive), send)
        except _TooLarge:
            detail = f"At most {self.max_body_bytes} bytes are taken."
            await problem_response(TOO_LARGE, detail)(scope, receive, send)
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("request not served, a dependency is away", error=type(error).__name__)
            detail = "Nothing was changed, or it is not known: repeat with the same Idempotency-Key."
            await problem_response(UNAVAILABLE, detail)(scope, receive, send)

    async def _limited(self, scope: Scope, receive: Receive) -> Receive:
        headers = dict(scope["headers"])
        if b"transfer-encoding" in headers:  # says no length: read it here, as far as we would take it
            return await self._read(receive)
        if int(headers.get(b"content-length", b"0")) > self.max_body_bytes:
            raise _TooLarge
        return receive

    async def _read(self, receive: Receive) -> Receive:
        body = b""
        message: Message = {"more_body": True}
        while message.get("more_body", False):
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self.max_body_bytes:
                raise _TooLarge
        whole = {"type": "http.request", "body": body, "more_body": False}
        unread = [whole if message["type"] == "http.request" else message]  # or it broke off: say so

        async def replay() -> Message:
            return unread.pop() if unread else await receive()

        return replay
