"""The admin API of the outbox: rows that could not be sent."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from chassis.outbox import operate
from chassis.web.access import Role, allow
from chassis.web.context import Db
from chassis.web.guarded_route import GuardedRoute
from chassis.web.problems import Problem
from chassis.web.selected import Selected

router = APIRouter(
    prefix="/admin/outbox", tags=["admin"], route_class=GuardedRoute, dependencies=[allow(Role.OPERATOR)]
)


class SetAsideRow(BaseModel):
    """A row of the outbox that is set aside, without its data, which may be confidential."""

    id: int
    event_id: UUID | None
    topic: str
    key: str
    type: str | None
    state: str
    error: str
    published_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


class RefusedRows(Selected):
    """A selection of REFUSED rows: by id, by key, by topic, or by key and topic."""

    def checked(self) -> operate.RowSelection:
        """Raises Problem 422 `empty-selection` if it has neither an id nor a key nor a topic."""
        if self.id is None and self.topic is None and self.key is None:
            raise Problem(422, "empty-selection", "Name a row's id, a topic or a key")
        return operate.RowSelection(self.id, self.topic, self.key)


@router.get("/set-aside", summary="List rows that could not be sent, oldest first")
async def list_set_aside(
    db: Db,
    state: Literal["open", "all", "DELAYED", "REFUSED", "GIVEN_UP"] = "open",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> list[SetAsideRow]:
    """The relay tries DELAYED rows again by itself, unless a row of their key is REFUSED. REFUSED rows wait for an
    operator."""
    async with db.reading() as connection:
        return [SetAsideRow(**row) for row in await operate.list_set_aside(connection, state, limit)]


@router.post("/send-again", status_code=202, summary="Try REFUSED rows again")
async def send_again(rows: RefusedRows, db: Db) -> dict[str, int]:
    """The relay tries to send these REFUSED rows again, before later rows of their keys. The answer contains the number
    of these `rows`.
    """
    return {"rows": await operate.send_again(db, rows.checked())}


@router.post("/give-up", summary="Give up REFUSED rows")
async def give_up(rows: RefusedRows, db: Db) -> dict[str, int]:
    """REFUSED rows are given up: they are never sent, and later rows of their keys are sent. The answer contains the
    number of these `rows`.
    """
    return {"rows": await operate.give_up(db, rows.checked())}
