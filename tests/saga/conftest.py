"""A whole shop, started once for all tests of the saga: every service a process, real PostgreSQL, real Kafka."""

from collections.abc import Iterator

import pytest

from testkit.shops import running_shop
from tests.saga.floor import Floor


@pytest.fixture(scope="package")
def floor() -> Iterator[Floor]:
    """One shop for all tests of this folder. It stops after the last one, because an idle shop costs CPU time."""
    with running_shop("saga") as (stack, target):
        yield Floor(stack, target)


@pytest.fixture(scope="session")
def floor_of() -> type[Floor]:
    """Makes a Floor of another shop than that of this folder."""
    return Floor
