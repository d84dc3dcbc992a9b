"""The customers' directory: login name and e-mail address of each customer, under a random pseudonym.

It is the only place of the shop that has them. Tokens, events and databases have the pseudonym.
"""

import os
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time

PREFIX = "cus_"
"""The beginning of each pseudonym. No login name begins with it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS customers (
    pseudonym  TEXT PRIMARY KEY,
    login      TEXT NOT NULL UNIQUE,
    email      TEXT NOT NULL,
    created_at TEXT NOT NULL
) WITHOUT ROWID
"""
_COLUMNS = "pseudonym, login, email, created_at"


class DirectoryDamaged(ValueError):
    """The file of the directory cannot be read."""


@dataclass(frozen=True, slots=True)
class Customer:
    """An entry of the directory. `created_at` is RFC 3339."""

    pseudonym: str
    login: str
    email: str
    created_at: str


class Directory:
    """The entries, in one SQLite file that only its owner may read.

    An entry is on disk when a method returns. A write takes one or two milliseconds, once per customer.
    """

    def __init__(self, file: Path, address_domain: str, now: Callable[[], float] = time) -> None:
        """Opens the file, or makes it. `address_domain` completes a login name that is no e-mail address.

        Raises DirectoryDamaged.
        """
        self._file = file
        self._address_domain = address_domain
        self._now = now
        _make_private(file)
        try:
            self._db = _opened(file)
        except sqlite3.Error:
            raise DirectoryDamaged(
                f"{file} cannot be read: put it back as it was. Without it no customer has a name or an address."
            ) from None

    def pseudonym_of(self, login: str) -> str:
        """The pseudonym of a login name. The entry is made at the first call."""
        known = self.find_login(login)
        if known is not None:
            return known.pseudonym
        pseudonym = PREFIX + secrets.token_hex(12)
        email = login if "@" in login else f"{login}@{self._address_domain}"
        created_at = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="seconds")
        row = (pseudonym, login, email, created_at.replace("+00:00", "Z"))
        self._db.execute(f"INSERT INTO customers ({_COLUMNS}) VALUES (?, ?, ?, ?)", row)
        return pseudonym

    def find(self, pseudonym: str) -> Customer | None:
        """The entry of a pseudonym."""
        return self._find("pseudonym", pseudonym)

    def find_login(self, login: str) -> Customer | None:
        """The entry of a login name."""
        return self._find("login", login)

    def erase(self, pseudonym: str) -> bool:
        """Delete an entry, and every byte of it in the file. Returns whether there was one."""
        erased = self._db.execute("DELETE FROM customers WHERE pseudonym = ?", (pseudonym,)).rowcount > 0
        if erased:
            # `secure_delete` leaves copies that a page had when it was split. VACUUM writes all pages anew.
            self._db.execute("VACUUM")
        return erased

    def close(self) -> None:
        self._db.close()

    def _find(self, column: str, value: str) -> Customer | None:
        row = self._db.execute(f"SELECT {_COLUMNS} FROM customers WHERE {column} = ?", (value,)).fetchone()
        return Customer(*row) if row else None


def _make_private(file: Path) -> None:
    """Make an empty file if there is none. SQLite gives its journal the same rights."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _opened(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, isolation_level=None)
    try:
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA temp_store = MEMORY")  # VACUUM puts no copy into another folder
        db.execute(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db
