"""Pages of a listing: a cursor is the position after which the next page begins.

A cursor is not secret and not signed: it gives access to nothing that the listing does not show. Its checksum finds
cursors that were cut off or mistyped, and the types of its parts are checked when it is decoded.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar, cast

from fastapi import Depends, Query
from pydantic import StringConstraints, TypeAdapter, ValidationError

from chassis.web.problems import Problem

CHECKSUM_BYTES = 6

T = TypeVar("T")
R = TypeVar("R")

PositionText = Annotated[str, StringConstraints(max_length=1_000, pattern=r"^[^\x00]*$")]
"""Text in a position: PostgreSQL can compare with it."""


class Cursors:
    """Encodes and decodes cursors. Each replica of a service decodes those of the others."""

    def encode(self, position: list[Any]) -> str:
        """A cursor for the row after which the next page begins. `position` is a list of JSON values."""
        content = json.dumps(position, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(_checksum(content) + content).rstrip(b"=").decode()

    def cut(
        self, rows: Sequence[R], limit: int, position: Callable[[R], list[Any]]
    ) -> tuple[Sequence[R], str | None]:
        """A page of at most `limit` rows, and the cursor of the next page, None on the last one.

        Read `limit + 1` rows: one more than a page has. `position(row)` returns the values that `encode` puts into the
        cursor.
        """
        page = rows[:limit]
        return page, self.encode(position(page[-1])) if len(rows) > limit else None

    def decode(self, cursor: str, kind: type[T]) -> T:
        """The position in a cursor, as a `kind` such as `tuple[UUID]`.

        Raises Problem 400 `invalid-cursor` for a cursor that was not made by `encode`, or not for such a position.
        """
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            decoded = base64.b64decode(padded, altchars=b"-_", validate=True)
            content = decoded[CHECKSUM_BYTES:]
            if _checksum(content) != decoded[:CHECKSUM_BYTES]:
                raise ValueError("checksum")
            return cast(T, _adapter(cast(Any, kind)).validate_json(content))
        except (ValueError, binascii.Error, ValidationError) as error:
            detail = "Send `next_cursor` as it was answered, or leave the cursor out to begin at the start."
            raise Problem(400, "invalid-cursor", "This cursor is not one of ours", detail) from error


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:CHECKSUM_BYTES]


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


CURSORS = Cursors()


async def _cursors() -> Cursors:
    return CURSORS


CursorCodec = Annotated[Cursors, Depends(_cursors)]

CursorParameter = Annotated[
    str | None, Query(max_length=2048, description="`next_cursor` of the page before.")
]
"""The query parameter `cursor` of a listing."""
