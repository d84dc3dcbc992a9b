"""Who may open a page, and who may act: this machine, with the link that `shop floor` printed.

A link is good once. It is changed for a cookie, which other sites cannot use (SameSite=Strict). A request that acts is
a POST, from a page of this server (`Origin`), with the token that only such a page can read.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

HERE = ("127.0.0.1", "localhost")
COOKIE = "shop_floor"
TOKEN_HEADER = "x-floor-token"
TOKEN = "token"
MOST_SESSIONS = 50
OPEN_PATHS = ("/static/",)
"""Files that hold nothing of the shop."""
ALIVE = "/livez"
"""Answers each probe: it says that the server lives, and nothing else."""


@dataclass
class Guard:
    """The links and sessions of one server."""

    port: int
    on_used: Callable[[str], None] = field(default=lambda _: None)
    """Called with a new link when the last one was used."""
    anyone: bool = False
    """Whether clients of other addresses may come: the port of a container is published on this machine alone."""
    _link: str = ""
    _sessions: dict[str, str] = field(default_factory=dict)
    """Session → its token for requests that act."""

    def link(self) -> str:
        """A new link. The one before it is no longer good."""
        self._link = secrets.token_urlsafe(24)
        return f"http://{HERE[0]}:{self.port}/?{TOKEN}={self._link}"

    def redeem(self, link: str) -> str | None:
        """Change the token of a link for a session. None if it is not the newest one, or was used."""
        if not self._link or not same(link, self._link):
            return None
        self._link = ""
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session = secrets.token_urlsafe(24)
        self._sessions[session] = secrets.token_urlsafe(24)
        self.on_used(self.link())
        return session

    def token_of(self, headers: Headers) -> str | None:
        """The acting token of a request's session; None if it has no session."""
        return self._sessions.get(session_in(headers))

    def refusal(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        """Why a request is refused, in one sentence; None if it is not."""
        if scope["path"] == ALIVE:
            return None
        headers = Headers(scope=scope)
        client = scope.get("client")
        if not self.anyone and (client is None or client[0] != HERE[0]):
            return HTTPStatus.FORBIDDEN, "Only this machine may open the floor."
        if headers.get("host") not in self._hosts:
            return (
                HTTPStatus.FORBIDDEN,
                "This server has another name: use the link that `shop floor` printed.",
            )
        if scope["path"].startswith(OPEN_PATHS):
            return None
        token = self.token_of(headers)
        if token is None:
            return HTTPStatus.UNAUTHORIZED, "Open the newest link that `shop floor` has printed."
        if scope["method"] in ("GET", "HEAD"):
            return None
        if headers.get("origin") != f"http://{headers['host']}":
            return HTTPStatus.FORBIDDEN, "A request that acts must come from a page of the floor."
        if not same(headers.get(TOKEN_HEADER, ""), token):
            return HTTPStatus.FORBIDDEN, "The page is of an older session: load it again."
        return None

    @property
    def _hosts(self) -> set[str]:
        return {f"{host}:{self.port}" for host in HERE}


class Guarded:
    """The server behind its guard."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a refusal, or let the request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._answer(scope)
        await (answer or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        refusal = self._guard.refusal(scope)
        given = parse_qs(scope["query_string"].decode(errors="replace")).get(TOKEN, [""])[0]
        if given and scope["method"] == "GET" and (refusal is None or refusal[0] is HTTPStatus.UNAUTHORIZED):
            session = self._guard.redeem(given)
            if session is not None or refusal is None:
                return entered(scope, session)
        if refusal is None:
            return None
        status, why = refusal
        if scope["path"].startswith("/api/"):
            return JSONResponse({"detail": why}, status)
        return PlainTextResponse(why, status)


def entered(scope: Scope, session: str | None) -> Response:
    """Lead to the same page without the token, so that it is in no history."""
    query = parse_qs(scope["query_string"].decode(errors="replace"))
    rest = urlencode({name: values[0] for name, values in query.items() if name != TOKEN})
    # A path that begins with two slashes would lead to another host.
    answer = RedirectResponse(
        "/" + scope["path"].lstrip("/") + (f"?{rest}" if rest else ""), HTTPStatus.SEE_OTHER
    )
    if session is not None:
        answer.set_cookie(COOKIE, session, httponly=True, samesite="strict", path="/")
    return answer


def session_in(headers: Headers) -> str:
    """The session in the cookie of a request; empty if there is none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how far they are."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
