"""How `make test` divides the tests between its processes."""

import pytest

SHARED = ("tests/saga/",)
"""Folders whose tests share one running shop. They begin first, so that no process ends long after the other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file run in one process, in their order; all tests of a folder that shares a shop do too."""
    items.sort(key=lambda item: not item.nodeid.startswith(SHARED))
    for item in items:
        file = item.nodeid.partition("::")[0]
        folder = next((folder for folder in SHARED if file.startswith(folder)), file)
        item.add_marker(pytest.mark.xdist_group(folder))
