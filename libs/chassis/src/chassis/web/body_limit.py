"""Reads each request's body completely before it calls the app, within limits of size and time.

The app is called, and the request counted for load shedding, when the body is complete. So a client that stops sending
occupies no place in the count. Bodies are small enough to be kept in memory.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.web.problems import BODY_TOO_LARGE, TOO_SLOW, problem_response

BODY_SECONDS = 10.0


class BodyLimit:
    """Answers 413 to a body that is larger than `max_bytes`, and 408 to one that takes longer than `seconds`."""

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float = BODY_SECONDS) -> None:
        self.app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        whole = await self.read(scope, receive, send)
        if whole is not None:
            await self.app(scope, whole, send)

    async def read(self, scope: Scope, receive: Receive, send: Send) -> Receive | None:
        """Read the body. Returns a `receive` that gives it again, or None if the request was answered already."""
        if not _has_body(scope):
            return receive
        try:
            async with asyncio.timeout(self._seconds):
                message = await self._read(receive)
        except TimeoutError:
            detail = f"The body did not arrive within {self._seconds:g} s."
            await problem_response(TOO_SLOW, detail=detail)(scope, receive, send)
            return None
        if message is None:
            detail = f"At most {self._max_bytes} bytes are accepted."
            await problem_response(BODY_TOO_LARGE, detail=detail)(scope, receive, send)
            return None
        return _first(message, receive)

    async def _read(self, receive: Receive) -> Message | None:
        """The body as one message, or None if it is too large. If the client has left, its `http.disconnect`."""
        parts: list[bytes] = []
        bytes_left = self._max_bytes
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return message
            part = message.get("body", b"")
            bytes_left -= len(part)
            if bytes_left < 0:
                return None
            parts.append(part)
            if not message.get("more_body", False):
                return {"type": "http.request", "body": b"".join(parts), "more_body": False}


def _has_body(scope: Scope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


def _first(message: Message, receive: Receive) -> Receive:
    """A `receive` that gives `message` first, and then the messages of `receive`."""
    pending: Message | None = message

    async def received() -> Message:
        nonlocal pending
        if pending is None:
            return await receive()
        first = pending
        pending = None
        return first

    return received
