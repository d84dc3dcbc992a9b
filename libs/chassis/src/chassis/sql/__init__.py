"""The longer statements, each in a file of its own beside this one."""

from importlib.resources import files


def read(name: str) -> str:
    """The statement in `<name>.sql`."""
    return (files(__name__) / f"{name}.sql").read_text()
