"""The errors of the stack that a user can cure."""

from __future__ import annotations


class UserError(Exception):
    """The stack cannot do what was asked. The message says what to do. It is shown without a traceback."""
