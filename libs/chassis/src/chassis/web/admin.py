"""The admin API: dead letters, and sending the outbox again (republish)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel

from chassis.inbox import operate
from chassis.inbox.operate import UnknownDeadLetter
from chassis.outbox.republish import republish_all
from chassis.web.access import Role, allow
from chassis.web.context import Db, context_of
from chassis.web.guarded_route import GuardedRoute
from chassis.web.problems import Problem, ProblemType
from chassis.web.selected import Key, Selected

router = APIRouter(
    prefix="/admin", tags=["admin"], route_class=GuardedRoute, dependencies=[allow(Role.OPERATOR)]
)

PROBLEMS: Mapping[type[Exception], ProblemType] = {
    UnknownDeadLetter: ProblemType(404, "unknown-dead-letter", "No such dead letter")
}


class DeadLetter(BaseModel):
    """A dead letter without its headers and data, which may be confidential."""

    id: int
    topic: str
    partition: int
    offset: int
    key: str
    event_id: UUID | None
    type: str | None
    state: str
    reason: str
    error: str
    created_at: datetime
    ended_at: datetime | None


class DeadLetterDetail(DeadLetter):
    """A dead letter with its headers and its data."""

    headers: dict[str, str]
    value: str | None


State = Literal["open", "all", "HELD", "WAITING", "PARKED", "REDRIVEN", "DISCARDED"]


class Selection(Selected):
    """A selection of dead letters: one id, or all open ones of a key (on one topic or on all)."""

    def checked(self) -> operate.LetterSelection:
        """Raises Problem 422 `empty-selection` if it has neither an id nor a key."""
        if self.id is None and self.key is None:
            raise Problem(422, "empty-selection", "Name a dead letter's id or a key")
        return operate.LetterSelection(self.id, self.topic, self.key)


class Outcome(BaseModel):
    """Counts of the selected dead letters: those that were ended, and those that are still open."""

    ended: int
    still_open: int
    error: str | None = None


@router.get("/dead-letters", summary="List dead letters, oldest first")
async def list_dead_letters(
    db: Db, state: State = "open", key: Key | None = None, limit: Annotated[int, Query(ge=1, le=1_000)] = 100
) -> list[DeadLetter]:
    """List dead letters. `state` is open, all, or the name of a state."""
    async with db.reading() as connection:
        return [DeadLetter(**row) for row in await operate.list_letters(connection, state, key, limit)]


@router.get("/dead-letters/{letter_id}", summary="Read one dead letter with its data")
async def show_dead_letter(letter_id: Annotated[int, Path(ge=1, le=2**63 - 1)], db: Db) -> DeadLetterDetail:
    """A dead letter with its headers and data."""
    async with db.reading() as connection:
        row = await operate.show_letter(connection, letter_id)
    value = row["value"].decode(errors="replace") if row["value"] is not None else None
    return DeadLetterDetail(**{**row, "value": value})


@router.post("/dead-letters/redrive", summary="Handle dead letters again, in the order of their keys")
async def redrive(selection: Selection, request: Request, db: Db) -> Outcome:
    """Handle dead letters again. Safe to repeat: an event that was handled in the meantime has no effect.

    A HELD or WAITING one that fails again stops the later ones of its key, and no others. With an id, the dead letters
    for which it waits are handled first.
    """
    result = await operate.redrive(db, context_of(request).inbox, selection.checked())
    return Outcome(ended=result.ended, still_open=result.still_open, error=result.error)


@router.post("/dead-letters/discard", summary="Discard dead letters")
async def discard(selection: Selection, db: Db) -> Outcome:
    """Discard dead letters. With an id, only this one is discarded: redrive its key afterwards. With a key, all open
    dead letters of the key are discarded.

    A discarded event has no effect when it is delivered again.
    """
    result = await operate.discard(db, selection.checked())
    return Outcome(ended=result.ended, still_open=result.still_open)


@router.post("/republish", status_code=202, summary="Send everything again that the outbox still has")
async def republish(request: Request, db: Db) -> dict[str, int]:
    """Send the rows of the outbox again, except GIVEN_UP and REFUSED ones, after topics were lost. A consumer that has
    handled an event drops it as a duplicate. Rows with the key of a REFUSED row wait until an operator decides. The
    answer contains the number of `events`, which includes those that wait.
    """
    if not context_of(request).settings.has_kafka:  # the outbox itself is the log, and nothing is sent
        return {"events": 0}
    return {"events": await republish_all(db)}
