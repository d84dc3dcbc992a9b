"""The errors that the oracle raises."""

from __future__ import annotations

from shop_stack.errors import UserError


class EvidenceMissing(UserError):
    """The oracle cannot read a part of its evidence. The message says what to do."""


def said_by(error: Exception) -> str:
    """The text of an error, or its name: a TimeoutError has no text."""
    return str(error) or type(error).__name__
