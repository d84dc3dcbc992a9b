"""Dead letters for operators: list, show, redrive in the order of the key, discard."""

from dataclasses import asdict, dataclass

from chassis.errors import is_unavailable
from chassis.inbox.dead_letters import MAX_ERROR_LENGTH, lock_key, message_of, statements
from chassis.inbox.inbox import Inbox
from chassis.observability import tracing
from chassis.observability.tracing import MessageSpan
from chassis.outbox import Database
from chassis.postgres import Connection, Row

MAX_ERRORS = 10
"""The maximum number of errors that one call returns."""


@dataclass(frozen=True, slots=True)
class LetterSelection:
    """A selection of open dead letters: by id, by key, or by key and topic."""

    id: int | None = None
    topic: str | None = None
    key: str | None = None


@dataclass(slots=True)
class SelectionResult:
    """The result of `redrive` or `discard` for a selection.

    `ended` is the number of dead letters that were redriven or discarded, `still_open` the number of those that are
    still open, and `error` the errors as a text.
    """

    ended: int = 0
    still_open: int = 0
    error: str | None = None


class UnknownDeadLetter(Exception):
    """No dead letter has this id."""

    def __init__(self, id: int) -> None:
        super().__init__(f"No dead letter has the id {id}.")


async def list_letters(connection: Connection, state: str, key: str | None, limit: int) -> list[Row]:
    """List dead letters without headers and value, oldest first. `state` is `open`, `all`, or the name of a state."""
    which = {"state": state, "key": key, "limit": limit}
    return await connection.rows(statements.named("list_letters"), which)


async def show_letter(connection: Connection, id: int) -> Row:
    """A dead letter with headers and value. Raises UnknownDeadLetter."""
    row = await connection.row(statements.named("show_letter"), {"id": id})
    if row is None:
        raise UnknownDeadLetter(id)
    return row


async def redrive(database: Database, inbox: Inbox, selection: LetterSelection) -> SelectionResult:
    """Handle dead letters again, each in a transaction of its own, and those of one key in their order.

    If the selection is an id, the dead letters for which this one waits are handled first. After a HELD or WAITING one
    fails again, the later ones of its key are skipped, and other keys continue. An event that was handled in the
    meantime is a duplicate and has no effect. After an error that `is_unavailable` recognises, the other dead letters
    of this key are skipped.

    Raises UnknownDeadLetter. Raises the error of an unavailable dependency if two keys in a row fail with it, or if the
    last key fails with it and no dead letter was redriven.
    """
    result = SelectionResult()
    errors: list[str] = []
    away: Exception | None = None
    for key in await _selected_keys(database, selection):
        try:
            await _redrive_key(database, inbox, selection.id, key, result, errors)
            away = None
        except Exception as error:
            if away is not None or not is_unavailable(error):
                raise
            away = error
            errors.append(repr(error))
    if away is not None and result.ended == 0:
        raise away
    result.still_open = await _count_open(database, selection)
    result.error = "; ".join(errors[:MAX_ERRORS])[:MAX_ERROR_LENGTH] or None
    return result


async def discard(database: Database, selection: LetterSelection) -> SelectionResult:
    """Discard all open dead letters of the selection. An id selects only this one.

    A discarded event has no effect when it is delivered again. Raises UnknownDeadLetter.
    """
    async with database.transaction() as tx:
        for topic, key, _ in await _selected_keys(database, selection):
            await lock_key(tx, topic, key)
        ended = await tx.connection.value(statements.named("discard_letters"), asdict(selection))
    return SelectionResult(ended=ended, still_open=await _count_open(database, selection))


async def _redrive_key(
    database: Database, inbox: Inbox, id: int | None, key: Row, result: SelectionResult, errors: list[str]
) -> None:
    """Redrive the dead letters of one key, in order. Adds to `result.ended` and to `errors`."""
    after = 0
    while row := await _next_letter(database, id, key.topic, key.key, after):
        after = row["id"]
        try:
            result.ended += await _redrive_one(database, inbox, row)
        except Exception as error:
            if is_unavailable(error):
                raise
            errors.append(repr(error))
            if row["state"] != "PARKED":
                break


async def _redrive_one(database: Database, inbox: Inbox, row: Row) -> int:
    """Handle one dead letter. Returns 1, or 0 if it was redriven or discarded in the meantime."""
    spans: list[MessageSpan] = []
    with tracing.ended_together(spans):
        async with database.transaction() as tx:
            await lock_key(tx, row["topic"], row["key"])
            if await tx.connection.row(statements.named("redriven"), {"id": row["id"]}) is None:
                return 0
            await inbox.redrive(tx, message_of(row), spans)
    return 1


async def _next_letter(database: Database, id: int | None, topic: str, key: str, after: int) -> Row | None:
    which = {"topic": topic, "key": key, "id": id, "after": after}
    async with database.reading() as connection:
        return await connection.row(statements.named("next_letter"), which)


async def _selected_keys(database: Database, selection: LetterSelection) -> list[Row]:
    """(topic, key, number of open dead letters of the selection) for each key of a selection."""
    async with database.reading() as connection:
        keys = await connection.rows(statements.named("selected_keys"), asdict(selection))
    if not keys and selection.id is not None:
        raise UnknownDeadLetter(selection.id)
    return keys


async def _count_open(database: Database, selection: LetterSelection) -> int:
    return sum(key.open for key in await _selected_keys(database, selection))
