"""The longer statements, each in a file of its own beside this one."""

from functools import cache
from importlib.resources import files

from sqlalchemy import TextClause, text


@cache
def read(name: str) -> str:
    """The statement in `<name>.sql`, its parameters numbered as PostgreSQL has them."""
    return (files(__name__) / f"{name}.sql").read_text()


@cache
def statement(name: str) -> TextClause:
    """The statement in `<name>.sql` for SQLAlchemy, its parameters by name."""
    return text(read(name))
