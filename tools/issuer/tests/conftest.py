"""A clock that the tests of the issuer set."""

import pytest


class Clock:
    """Seconds since 1970."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()
