"""Cursor pagination: a cursor is a signed position, so that a tampered one is told from a valid one."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Request

from chassis.problems import Problem


@dataclass(frozen=True, slots=True)
class Cursors:
    """Makes and reads cursors. All replicas of a service have the same secret, so any of them reads any cursor."""

    secret: bytes

    def seal(self, position: Sequence[str | int]) -> str:
        """A cursor for the row after which the next page begins."""
        body = json.dumps(list(position), separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._sign(body) + body).decode().rstrip("=")

    def open(self, cursor: str) -> list[Any]:
        """The position in a cursor. Raises Problem 400 `invalid-cursor` if we did not make it."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        signature, body = raw[:16], raw[16:]
        if not body or not hmac.compare_digest(signature, self._sign(body)):
            detail = "Take `next_cursor` as it was answered, or leave the cursor away to begin at the start."
            raise Problem(400, "invalid-cursor", "This cursor is not one of ours", detail)
        return cast(list[Any], json.loads(body))

    def _sign(self, body: bytes) -> bytes:
        return hmac.new(self.secret, body, hashlib.sha256).digest()[:16]


async def _cursors(request: Request) -> Cursors:
    return cast(Cursors, request.app.state.cursors)


PageCursors = Annotated[Cursors, Depends(_cursors)]
