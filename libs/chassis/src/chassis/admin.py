"""For operators: the dead letters of a service over HTTP, and what it subscribes to."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel
from sqlalchemy import text

from chassis import dead_letters, sql
from chassis.database import Db, is_unavailable
from chassis.envelope import RawMessage
from chassis.inbox import Inbox
from chassis.problems import Problem

router = APIRouter(prefix="/admin", tags=["admin"])

MOST_LISTED = 1_000
LARGEST_ID = 2**63 - 1


class DeadLetter(BaseModel):
    """A dead letter without its data, which may hold what is not for every eye."""

    id: int
    topic: str
    partition: int
    offset: int
    key: str
    event_id: str | None
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


class Republished(BaseModel):
    """How many events are going to be sent again."""

    events: int


@router.get("/subscriptions", summary="What this service subscribes to, and what it knowingly ignores")
async def subscriptions(request: Request) -> dict[str, Any]:
    """The consumer group, its topics, the event types that it handles and those that it skips."""
    inbox: Inbox = request.app.state.inbox
    return {
        "group": inbox.group,
        "topics": sorted(inbox.topics),
        "subscribed": sorted(inbox.subscriptions),
        "ignored": sorted(inbox.ignored),
    }


@router.get("/dead-letters", summary="List dead letters, oldest first")
async def list_dead_letters(
    db: Db,
    state: str = "open",
    key: str | None = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 100,
) -> list[DeadLetter]:
    """`state`: open, all, or one state's name."""
    async with db.reading() as connection:
        rows = await connection.rows(_LIST, {"state": state, "key": key, "limit": limit})
        return [DeadLetter(**row) for row in rows]


@router.get("/dead-letters/{letter_id}", summary="Read one dead letter with its data")
async def show_dead_letter(letter_id: Annotated[int, Path(le=LARGEST_ID)], db: Db) -> DeadLetterDetail:
    """Headers and data as they came."""
    async with db.reading() as connection:
        row = await connection.row(_SHOW, {"id": letter_id})
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
    for topic, key in await _keys(db, selection):
        which = {"topic": topic, "key": key, "id": selection.id, "after": 0}
        while (tried := await _redrive_next(inbox, db, which)) is not None:
            letter, error = tried
            which["after"] = letter["id"]
            if error is None:
                ended += 1
                continue
            errors.append(error)
            if letter["state"] != "PARKED":
                break
    return Outcome(ended=ended, still_open=await _open(db, selection), error="; ".join(errors) or None)


@router.post("/dead-letters/discard", summary="Give up dead letters")
async def discard(selection: Selection, db: Db) -> Outcome:
    """By id: that letter alone; what waits behind it is then redriven with its key. By key: all of the key.

    What was discarded has no effect either when it is delivered again.
    """
    async with db.transaction() as tx:
        for topic, key in sorted(await _keys(db, selection)):
            await dead_letters.lock_key(tx, topic, key)
        ended = await tx.connection.value(_DISCARD, selection.model_dump())
    return Outcome(ended=ended, still_open=await _open(db, selection))


@router.post("/republish", status_code=202, summary="Send everything again that the outbox still has")
async def republish(db: Db) -> Republished:
    """For topics that were lost. Consumers that had an event before take it as a duplicate, without an effect.

    Taking the shards from their relays makes these read the cursor again.
    """
    async with db.transaction() as tx:
        await tx.connection.execute(_REPUBLISH)
        events = await tx.connection.value(text("SELECT count(*) FROM outbox"))
    return Republished(events=events)


async def _redrive_next(inbox: Inbox, db: Db, which: dict[str, Any]) -> tuple[Any, str | None] | None:
    """Handle the next open letter in a transaction of its own: the letter, and why it failed; None if there is none."""
    letter = None
    try:
        async with db.transaction() as tx:
            await dead_letters.lock_key(tx, which["topic"], which["key"])
            letter = await tx.connection.row(_NEXT, which)
            if letter is None:
                return None
            headers = [(name, value.encode()) for name, value in letter["headers"].items()]
            position = (letter["partition"], letter["offset"])
            key, value = letter["key"].encode(), letter["value"]
            await inbox.handle_held(tx, RawMessage(letter["topic"], position, key, value, headers))
            await tx.connection.execute(_REDRIVEN, {"id": letter["id"]})
    except Exception as error:
        if is_unavailable(error) or letter is None:
            raise
        return letter, repr(error)
    return letter, None


async def _keys(db: Db, selection: Selection) -> list[tuple[str, str]]:
    if selection.id is None and selection.key is None:
        raise Problem(422, "empty-selection", "Name a dead letter's id or a key")
    if selection.id is not None and selection.id > LARGEST_ID:
        raise _unknown(selection.id)
    async with db.reading() as connection:
        rows = await connection.rows(_KEYS, selection.model_dump())
        found = [(row.topic, row.key) for row in rows]
    if not found and selection.id is not None:
        raise _unknown(selection.id)
    return found


async def _open(db: Db, selection: Selection) -> int:
    async with db.reading() as connection:
        return int(await connection.value(_COUNT, selection.model_dump()))


def _unknown(letter_id: int) -> Problem:
    detail = f"No dead letter has the id {letter_id}."
    return Problem(404, "unknown-dead-letter", "There is no such dead letter", detail)


_COLUMNS = (
    'id, topic, partition, "offset", key, event_id::text, type, state, reason, error, created_at, ended_at'
)
_OPEN = dead_letters.OPEN
_SELECTED = (
    "(CAST(:id AS bigint) IS NULL OR id = :id) AND (CAST(:topic AS text) IS NULL OR topic = :topic)"
    " AND (CAST(:key AS text) IS NULL OR key = :key)"
)
_LIST = text(
    f"SELECT {_COLUMNS} FROM dead_letters WHERE (CAST(:key AS text) IS NULL OR key = :key)"
    f" AND (:state = 'all' OR state = :state OR (:state = 'open' AND {_OPEN})) ORDER BY id LIMIT :limit"
)
_SHOW = text(f"SELECT {_COLUMNS}, headers, value FROM dead_letters WHERE id = :id")
_KEYS = text(f"SELECT DISTINCT topic, key FROM dead_letters WHERE {_SELECTED} AND ({_OPEN} OR id = :id)")
_COUNT = text(f"SELECT count(*) FROM dead_letters WHERE {_SELECTED} AND {_OPEN}")
_NEXT = sql.statement("next_letter")
_REDRIVEN = text("UPDATE dead_letters SET state = 'REDRIVEN', ended_at = now() WHERE id = :id")
_DISCARD = sql.statement("discard_letters")
_REPUBLISH = text(
    "UPDATE relay_cursor SET snapshot = '3:3:', upper = NULL, after_id = 0, owner = NULL, lease_until = NULL"
)
