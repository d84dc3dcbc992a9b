"""What goes wrong around the stack, said to people."""

from __future__ import annotations


class UserError(Exception):
    """The stack cannot do what was asked: one sentence with the cure, shown without a traceback."""
