"""How `make test` divides the tests between its processes: a file is run by one process (`--dist loadfile`)."""

import pytest

SHARED = ("tests/saga/",)
"""Folders whose tests need a running shop. They begin first, so that no process ends long after the other.

The groups of pytest-xdist 3.8 (`--dist loadgroup`) would keep such a folder in one process, but have no effect with
pytest 9.2: it does not read the attribute `_nodeid` any more, to which pytest-xdist adds the group.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of SHARED first. The order within a file stays."""
    items.sort(key=lambda item: not item.nodeid.startswith(SHARED))
