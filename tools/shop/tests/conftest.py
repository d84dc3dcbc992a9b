"""What the tests of the embedded stack share."""

from __future__ import annotations

import random

import pytest

from shop.stack.ports import Ports, is_free


@pytest.fixture
def base() -> int:
    """A port base of which every port is free, so that a test runs beside a running shop."""
    while True:
        base = random.randrange(20_000, 32_000, 100)
        if all(is_free(port) for port in Ports(base).all().values()):
            return base
