"""How `make test` divides the tests between its processes: one process runs a file, or the files of a group.

And what every test leaves as it was: the target of the command.
"""

import os
import re
from collections.abc import Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

GROUPS = (
    "tests/hands/",  # they share a running shop
    "tests/saga/",  # they too
    "tests/shapes/",  # they too
    "services/analytics/tests/component/test_rebuilding",  # they read and delete what lies on the same topics
)
"""How the paths of files begin that one process runs. These begin first, so that no process ends long after the others.

The groups of pytest-xdist 3.8 (`--dist loadgroup`) would do this too, but have no effect with pytest 9.2: it does not
read the attribute `_nodeid` any more, to which pytest-xdist adds the group.
"""

SHAPE_OF_A_TEST = re.compile(r"tests/shapes/[^\[]*\[(?P<shape>\w+)")
"""The shape is the first parameter of a test that has one."""


def group_of(nodeid: str) -> str | None:
    """The group of a test; None if any process may run its file. Each shape of the shop is a group of its own."""
    group = next((group for group in GROUPS if nodeid.startswith(group)), None)
    shape = SHAPE_OF_A_TEST.match(nodeid)
    return f"{group}{shape['shape']}" if group and shape else group


class FilesAndGroups(LoadFileScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """As `--dist loadfile`, but the files of a group go to one process together."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid) or str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesAndGroups:
    """Divide the tests as FilesAndGroups does."""
    return FilesAndGroups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of GROUPS first. The order within a file stays."""
    items.sort(key=lambda item: group_of(item.nodeid) is None)


@pytest.fixture(autouse=True)
def target_stays() -> Iterator[None]:
    """`shop --target` writes its target into the environment. A test that calls it in this process does not
    choose the target of the next one.
    """
    before = os.environ.get("SHOP_TARGET")
    yield
    if before is None:
        os.environ.pop("SHOP_TARGET", None)
    else:
        os.environ["SHOP_TARGET"] = before
