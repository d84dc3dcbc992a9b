"""The body of a request, up to a size."""

from starlette.requests import Request

MAX_BODY_BYTES = 16 * 1024


class TooLarge(ValueError):
    """The body is larger than MAX_BODY_BYTES."""


async def body_of(request: Request) -> bytes:
    """The body of a request. Raises TooLarge."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge("the body is too large")
    return body
