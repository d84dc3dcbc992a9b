"""How `make test` divides the tests between its processes."""

import pytest

LONGEST = "tests/saga/"
"""Its tests share one running shop. They begin first, so that no process ends long after the other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file run in one process, in their order; all tests of the saga do too."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
    for item in items:
        file = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(LONGEST if file.startswith(LONGEST) else file))
