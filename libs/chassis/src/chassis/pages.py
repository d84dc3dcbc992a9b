"""Cursor pagination: a cursor is a signed position, so that nobody makes one up."""

from typing import Annotated, Any, cast

from fastapi import Depends, Request
from itsdangerous import BadData, URLSafeSerializer

from chassis.problems import Problem


class Cursors:
    """Makes and reads cursors. All replicas of a service have the same secret, so any of them reads any cursor."""

    def __init__(self, secret: str) -> None:
        self._signed = URLSafeSerializer(secret, salt="cursors")

    def seal(self, position: list[Any]) -> str:
        """A cursor for the row after which the next page begins."""
        return str(self._signed.dumps(position))

    def open(self, cursor: str) -> list[Any]:
        """The position in a cursor. Raises Problem 400 `invalid-cursor` if we did not make it."""
        try:
            return cast(list[Any], self._signed.loads(cursor))
        except BadData as error:
            detail = "Take `next_cursor` as it was answered, or leave the cursor away to begin at the start."
            raise Problem(400, "invalid-cursor", "This cursor is not one of ours", detail) from error


async def _cursors(request: Request) -> Cursors:
    return cast(Cursors, request.app.state.cursors)


PageCursors = Annotated[Cursors, Depends(_cursors)]
