"""Pages of a listing: a cursor is a signed position, so that a client cannot make one up."""

from typing import Annotated, Any, cast

from fastapi import Depends, Query, Request
from itsdangerous import BadData, URLSafeSerializer

from chassis.web.context import context_of
from chassis.web.problems import Problem


class Cursors:
    """Makes and reads cursors. All replicas of a service have the same secret, so each reads the others' cursors."""

    def __init__(self, secret: str) -> None:
        self._serializer = URLSafeSerializer(secret, salt="cursors")

    def seal(self, position: list[Any]) -> str:
        """A cursor for the row after which the next page begins."""
        return str(self._serializer.dumps(position))

    def open(self, cursor: str) -> list[Any]:
        """The position in a cursor. Raises Problem 400 `invalid-cursor` for a cursor that was not made here."""
        try:
            return cast(list[Any], self._serializer.loads(cursor))
        except BadData as error:
            detail = "Take `next_cursor` as it was answered, or leave the cursor out to begin at the start."
            raise Problem(400, "invalid-cursor", "This cursor is not one of ours", detail) from error


async def _cursors(request: Request) -> Cursors:
    return Cursors(context_of(request).settings.database_url.get_secret_value())


PageCursors = Annotated[Cursors, Depends(_cursors)]

PageCursor = Annotated[str | None, Query(max_length=2048, description="`next_cursor` of the page before.")]
"""The query parameter `cursor` of a listing."""
