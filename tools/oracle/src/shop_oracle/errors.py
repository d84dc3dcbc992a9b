"""The errors that the oracle raises."""

from __future__ import annotations

from shop_stack.errors import UserError


class EvidenceMissing(UserError):
    """The oracle cannot read a part of its evidence. The message says what to do."""
