"""HTTP: what was sent, and what still waits."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from chassis.web import Db, PageCursors, ProblemType, RetryRoute
from notifications import handlers
from notifications.domain import Kind, State

router = APIRouter(tags=["notifications"], route_class=RetryRoute)
PROBLEMS: Mapping[type[Exception], ProblemType] = {}


class Notification(BaseModel):
    """One message to a customer about one outcome of an order. Times are RFC 3339."""

    id: UUID
    order_id: UUID
    kind: Kind
    customer_id: str
    state: State
    channel: str | None = Field(description="the channel that took it; null while it is PENDING")
    message_id: str = Field(description="the Message-ID on the wire, the same at every attempt")
    attempts: int = Field(description="deliveries begun")
    last_error: str | None = Field(description="why the last attempt failed, in one word")
    created_at: datetime
    sent_at: datetime | None


class NotificationPage(BaseModel):
    notifications: list[Notification]
    next_cursor: str | None = Field(description="ask for the next page with it; null on the last page")


@router.get(
    "/notifications",
    summary="List notifications, newest first",
    responses={400: {"description": "invalid-cursor"}, 422: {"description": "invalid-request"}},
)
async def list_notifications(
    database: Db,
    cursors: PageCursors,
    order_id: Annotated[UUID | None, Query(description="only those of this order")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(description="next_cursor of the page before")] = None,
) -> NotificationPage:
    before = cursors.open(cursor, tuple[UUID])[0] if cursor is not None else None
    async with database.reading() as connection:
        # One more than asked for tells whether there is a next page.
        rows = await handlers.list_notifications(
            connection, order_id=order_id, before=before, limit=limit + 1
        )
    more = len(rows) > limit
    return NotificationPage(
        notifications=[Notification.model_validate(row) for row in rows[:limit]],
        next_cursor=cursors.seal([str(rows[limit - 1]["id"])]) if more else None,
    )
