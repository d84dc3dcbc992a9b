"""What the tests of the stack share."""

from __future__ import annotations

import pytest

from shop_stack.ports import free_base


@pytest.fixture
def base() -> int:
    """Ports for a stack of the test's own, beside a shop that may be running."""
    return free_base()
