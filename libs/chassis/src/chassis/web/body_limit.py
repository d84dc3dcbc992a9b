"""A limit for the size of request bodies, also of those that do not say their length."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.web.problems import Problem


class BodyLimit:
    """Answers 413 to a request whose body is larger than `max_bytes`, when the endpoint reads it."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            receive = _limited(receive, self.max_bytes)
        await self.app(scope, receive, send)


def _limited(receive: Receive, max_bytes: int) -> Receive:
    """The same messages; a Problem is raised at the one that goes over `max_bytes`."""
    bytes_left = max_bytes

    async def limited() -> Message:
        nonlocal bytes_left
        message = await receive()
        bytes_left -= len(message.get("body", b""))
        if bytes_left < 0:
            raise Problem(
                413, "body-too-large", "The body is too large", f"At most {max_bytes} bytes are taken."
            )
        return message

    return limited
