"""Statements that are longer than a line: each in a file of its own, beside the code that runs it."""

from functools import cache
from importlib.resources import files

from sqlalchemy import TextClause, text


class Statements:
    """The files `sql/<name>.sql` of one package."""

    def __init__(self, package: str) -> None:
        self._folder = files(package) / "sql"
        self.raw = cache(self._read)
        """The statement `name` as PostgreSQL takes it: its parameters are $1, $2, …"""
        self.named = cache(self._parse)
        """The statement `name` for SQLAlchemy: its parameters have names, `:like_this`."""

    def _read(self, name: str) -> str:
        return (self._folder / f"{name}.sql").read_text()

    def _parse(self, name: str) -> TextClause:
        return text(self._read(name))
