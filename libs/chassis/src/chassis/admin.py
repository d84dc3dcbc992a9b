"""For operators: the dead letters of a service, and its outbox once more, over HTTP."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel

from chassis import dead_letters, sql
from chassis.connection import Row
from chassis.database import Db, is_unavailable
from chassis.inbox import Inbox
from chassis.outbox import CHANNEL
from chassis.problems import Problem

router = APIRouter(prefix="/admin", tags=["admin"])


class DeadLetter(BaseModel):
    """A dead letter without its data, which may hold what is not for every eye."""

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


class Selection(BaseModel):
    """Which letters: one by its id, or all open ones of a key (on one topic or on all)."""

    id: int | None = None
    topic: str | None = None
    key: str | None = None


class Outcome(BaseModel):
    """How many letters were ended, and how many are still open because the first of their key failed again."""

    ended: int
    still_open: int
    error: str | None = None


@router.get("/dead-letters", summary="List dead letters, oldest first")
async def list_dead_letters(
    db: Db, state: str = "open", key: str | None = None, limit: Annotated[int, Query(ge=1, le=1_000)] = 100
) -> list[DeadLetter]:
    """`state`: open, all, or one state's name."""
    async with db.reading() as connection:
        which = {"state": state, "key": key, "limit": limit}
        return [DeadLetter(**row) for row in await connection.rows(sql.statement("list_letters"), which)]


@router.get("/dead-letters/{letter_id}", summary="Read one dead letter with its data")
async def show_dead_letter(letter_id: Annotated[int, Path(ge=1, le=2**63 - 1)], db: Db) -> DeadLetterDetail:
    """Headers and data as they came."""
    row = await _first(db, "show_letter", {"id": letter_id})
    if row is None:
        raise _unknown(letter_id)
    value = row["value"].decode(errors="replace") if row["value"] is not None else None
    return DeadLetterDetail(**{**row, "value": value})


@router.post("/dead-letters/redrive", summary="Handle dead letters again, in the order of their keys")
async def redrive(selection: Selection, request: Request, db: Db) -> Outcome:
    """Safe to repeat: an event that was handled in the meantime is a duplicate, and has no effect.

    A letter that fails again stops those of its key that wait behind it, and nothing else. By id: that letter, and
    before it those that it waits behind.
    """
    inbox: Inbox = request.app.state.inbox
    ended, errors = 0, []
    for topic, key, _ in await _selected(db, selection):
        which = {"topic": topic, "key": key, "id": selection.id, "after": 0}
        while letter := await _first(db, "next_letter", which):
            which["after"] = letter["id"]
            try:
                ended += await _redrive(inbox, db, letter)
            except Exception as error:
                if is_unavailable(error):
                    raise
                errors.append(repr(error))
                if letter["state"] != "PARKED":
                    break
    return Outcome(ended=ended, still_open=await _still_open(db, selection), error="; ".join(errors) or None)


@router.post("/dead-letters/discard", summary="Give up dead letters")
async def discard(selection: Selection, db: Db) -> Outcome:
    """By id: that letter alone; what waits behind it is then redriven with its key. By key: all of the key.

    What was discarded has no effect either when it is delivered again.
    """
    async with db.transaction() as tx:
        for topic, key, _ in await _selected(db, selection):
            await dead_letters.lock_key(tx, topic, key)
        ended = await tx.connection.value(sql.statement("discard_letters"), selection.model_dump())
    return Outcome(ended=ended, still_open=await _still_open(db, selection))


@router.post("/republish", status_code=202, summary="Send everything again that the outbox still has")
async def republish(db: Db) -> dict[str, int]:
    """For topics that were lost. Consumers that had an event before take it as a duplicate, without an effect.
    Answers how many `events` are going to be sent.

    Taking the shards from their relays makes these read the cursor again.
    """
    async with db.transaction() as tx:
        return {"events": await tx.connection.value(sql.statement("republish"), {"channel": CHANNEL})}


async def _redrive(inbox: Inbox, db: Db, letter: Row) -> int:
    """Handle a letter in a transaction of its own. Returns 1, or 0 if somebody has ended it in the meantime."""
    async with db.transaction() as tx:
        await dead_letters.lock_key(tx, letter["topic"], letter["key"])
        if await tx.connection.row(sql.statement("redriven"), {"id": letter["id"]}) is None:
            return 0
        await inbox.handle_held(tx, dead_letters.message_of(letter))
    return 1


async def _first(db: Db, name: str, which: Mapping[str, Any]) -> Row | None:
    async with db.reading() as connection:
        return await connection.row(sql.statement(name), which)


async def _selected(db: Db, selection: Selection) -> list[Row]:
    """(topic, key, how many of its selected letters are open) for each key of a selection."""
    if selection.id is None and selection.key is None:
        raise Problem(422, "empty-selection", "Name a dead letter's id or a key")
    async with db.reading() as connection:
        keys = await connection.rows(sql.statement("selected_keys"), selection.model_dump())
    if not keys and selection.id is not None:
        raise _unknown(selection.id)
    return keys


async def _still_open(db: Db, selection: Selection) -> int:
    return sum(key.open for key in await _selected(db, selection))


def _unknown(letter_id: int) -> Problem:
    return Problem(404, "unknown-dead-letter", "No such dead letter", f"None has the id {letter_id}.")
