"""The HTTP API: read notifications, and retry a failed one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, field_validator

from chassis.web import CursorCodec, CursorParameter, Db, GuardedRoute, ProblemType, problem_answers
from chassis.web.access import Role, allow
from notifications import handlers
from notifications.domain import Kind, NotFailed, State, UnknownNotification

router = APIRouter(tags=["notifications"], route_class=GuardedRoute, dependencies=[allow(Role.OPERATOR)])
PROBLEMS: Mapping[type[Exception], ProblemType] = {
    UnknownNotification: ProblemType(404, "unknown-notification", "There is no such notification"),
    NotFailed: ProblemType(409, "not-failed", "The notification has not failed"),
}


class Notification(BaseModel):
    """A message to a customer about one outcome of an order, with its state. Times are RFC 3339."""

    id: UUID
    order_id: UUID
    kind: Kind
    customer_id: str
    state: State
    reason: str | None = Field(
        description="why the order was rejected, cancelled or refunded, as the event said"
    )
    sold_out: list[str] = Field(
        description="the products for which the order was rejected, as far as they are known"
    )
    channel: str | None = Field(description="the channel that accepted the message; null until then")
    message_id: str = Field(description="the Message-ID header of the e-mail, the same at every attempt")
    attempts: int = Field(description="number of attempts to send the message")
    last_error: str | None = Field(description="why the last attempt failed, in one word")
    created_at: datetime
    sent_at: datetime | None

    @field_validator("sold_out", mode="before")
    @classmethod
    def _none_is_no_product(cls, skus: list[str] | None) -> list[str]:
        return skus or []


class NotificationPage(BaseModel):
    notifications: list[Notification]
    next_cursor: str | None = Field(
        description="send it as `cursor` to get the next page; null on the last page"
    )


@router.get(
    "/notifications",
    summary="List notifications, newest first",
    responses=problem_answers(_400="invalid-cursor", _422="invalid-request"),
)
async def list_notifications(
    database: Db,
    cursors: CursorCodec,
    order_id: Annotated[UUID | None, Query(description="only those of this order")] = None,
    state: Annotated[State | None, Query(description="only those in this state")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: CursorParameter = None,
) -> NotificationPage:
    before = cursors.decode(cursor, tuple[UUID])[0] if cursor is not None else None
    async with database.reading() as connection:
        rows = await handlers.list_notifications(
            connection, order_id=order_id, state=state, before=before, limit=limit + 1
        )
    page, next_cursor = cursors.cut(rows, limit, lambda row: [str(row["id"])])
    return NotificationPage(
        notifications=[Notification.model_validate(row) for row in page], next_cursor=next_cursor
    )


@router.post(
    "/notifications/{notification_id}/retry",
    summary="Send a FAILED notification again",
    status_code=202,
    responses=problem_answers(_404="unknown-notification", _409="not-failed", _422="invalid-request"),
)
async def retry_notification(notification_id: UUID, database: Db) -> Notification:
    """Send a FAILED notification again, after the cause of the failure (`last_error`) was removed.

    It becomes PENDING and due.
    """
    async with database.transaction() as tx:
        return Notification.model_validate(await handlers.retry_notification(tx, notification_id))
