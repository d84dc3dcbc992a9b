"""The ledger file: charges, refunds, the answer of every idempotency key, and the one-time tokens that were used."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    key         TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    attempts    INTEGER NOT NULL,
    status      INTEGER,
    body        TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS used_tokens (
    fingerprint TEXT PRIMARY KEY,
    key         TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (
    entry_id     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         TEXT NOT NULL CHECK (kind IN ('charge', 'refund')),
    charge_id    TEXT NOT NULL,
    reference    TEXT NOT NULL,
    amount_minor INTEGER NOT NULL CHECK (amount_minor >= 0),
    currency     TEXT NOT NULL,
    at           TEXT NOT NULL,
    UNIQUE (charge_id, kind)
);
"""


class Ledger:
    """One SQLite file. Writers that arrive at the same time share one durable commit; each has its own savepoint."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(SCHEMA)
        self._waiting: list[tuple[Work[Any], asyncio.Future[Any]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def write(self, work: Work[T]) -> T:
        """Run `work(connection)` and return its result after the commit. An exception undoes only this work."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_groups())
        return await future

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a connection of its own, so that a reader does not block the writer. Returns its result."""

        def run() -> T:
            connection = sqlite3.connect(self._path)
            try:
                return work(connection)
            finally:
                connection.close()

        return await asyncio.to_thread(run)

    def close(self) -> None:
        self._connection.close()

    async def _commit_groups(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                results = await asyncio.to_thread(self._commit, [work for work, _ in group])
            except sqlite3.Error as error:  # such as a full disk: no work of the group was committed
                results = [error] * len(group)
            for (_, future), result in zip(group, results, strict=True):
                if future.done():  # the client has closed its connection
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    def _commit(self, group: list[Work[Any]]) -> list[Any]:
        execute = self._connection.execute
        results: list[Any] = []
        execute("BEGIN IMMEDIATE")
        try:
            for work in group:
                execute("SAVEPOINT work")
                try:
                    results.append(work(self._connection))
                except Exception as error:  # `write` raises it again for its caller
                    execute("ROLLBACK TO work")
                    results.append(error)
                execute("RELEASE work")
            execute("COMMIT")
        except sqlite3.Error:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        return results
