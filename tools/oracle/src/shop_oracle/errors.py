"""What the oracle raises."""

from __future__ import annotations

from shop_stack.errors import UserError


class EvidenceMissing(UserError):
    """Something that the oracle must read cannot be read; the message says the cure."""


def said_by(error: Exception) -> str:
    """The text of an error, or its name: a TimeoutError has no text."""
    return str(error) or type(error).__name__
