"""Long statements: each has a file of its own, in the folder of the code that runs it."""

from functools import cache
from importlib.resources import files

from sqlalchemy import TextClause, text


class Statements:
    """The files `sql/<name>.sql` of one package."""

    def __init__(self, package: str) -> None:
        self._folder = files(package) / "sql"
        self.raw = cache(self._read)
        """The statement `name` for asyncpg. Its parameters are $1, $2, …"""
        self.named = cache(self._parse)
        """The statement `name` for SQLAlchemy. Its parameters have names, `:like_this`."""

    def _read(self, name: str) -> str:
        return (self._folder / f"{name}.sql").read_text()

    def _parse(self, name: str) -> TextClause:
        return text(self._read(name))
