"""Cursor pagination: a cursor is a signed position, so that a tampered one is told from a valid one."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Request

from chassis.problems import Problem


@dataclass(frozen=True, slots=True)
class Cursors:
    """Makes and reads cursors. All replicas of a service have the same secret, so any of them reads any cursor."""

    secret: bytes

    def seal(self, position: list[Any]) -> str:
        """A cursor for the row after which the next page begins."""
        body = urlsafe_b64encode(json.dumps(position).encode())
        return f"{body.decode()}.{self._sign(body)}"

    def open(self, cursor: str) -> list[Any]:
        """The position in a cursor. Raises Problem 400 `invalid-cursor` if we did not make it."""
        body, _, signature = cursor.encode().rpartition(b".")
        if not hmac.compare_digest(signature, self._sign(body).encode()):
            detail = "Take `next_cursor` as it was answered, or leave the cursor away to begin at the start."
            raise Problem(400, "invalid-cursor", "This cursor is not one of ours", detail)
        return cast(list[Any], json.loads(urlsafe_b64decode(body)))

    def _sign(self, body: bytes) -> str:
        return hmac.digest(self.secret, body, "sha256").hex()


async def _cursors(request: Request) -> Cursors:
    return cast(Cursors, request.app.state.cursors)


PageCursors = Annotated[Cursors, Depends(_cursors)]
