"""What the oracle raises."""

from __future__ import annotations

from shop_stack.errors import UserError


class EvidenceMissing(UserError):
    """Something that the oracle must read cannot be read; the message says the cure."""
