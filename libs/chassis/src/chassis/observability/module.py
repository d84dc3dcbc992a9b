"""The module that does the work of the present task, in a process that serves several modules.

A module is a service that shares its process with others (`chassis.group`). Each task, and each request, is one
module's. Logs and spans take the name from here. In a process with one service the name is empty.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_MODULE: ContextVar[str] = ContextVar("module", default="")


def current_module() -> str:
    """The name of the module; empty in a process with one service."""
    return _MODULE.get()


@contextmanager
def in_module(name: str) -> Iterator[None]:
    """Do the work of the block, and of the tasks that it creates, for this module."""
    token = _MODULE.set(name)
    try:
        yield
    finally:
        _MODULE.reset(token)
