"""`make test` has several processes: tests that share a shop or topics are run by one of them."""

import pytest

from conftest import GROUPS, FilesAndGroups, group_of
from shop_stack.paths import repository


@pytest.mark.parametrize("group", GROUPS)
def test_each_group_has_several_files(group: str) -> None:
    assert len([*repository().glob(f"{group}*.py")]) > 1


def test_the_files_of_a_group_go_to_one_process_and_others_to_any(pytestconfig: pytest.Config) -> None:
    names = [
        "tests/saga/test_outcomes.py::test_a[x::y]",
        "tests/saga/test_rights.py::test_b",
        "tests/docs/test_site.py::test_c",
        "tests/docs/test_site.py::test_d[1]",
        "tests/docs/test_pages.py::test_e",
    ]
    scopes = [FilesAndGroups._split_scope(FilesAndGroups.__new__(FilesAndGroups), name) for name in names]
    assert scopes == ["tests/saga/"] * 2 + ["tests/docs/test_site.py"] * 2 + ["tests/docs/test_pages.py"]
    assert [group_of(name) for name in names[2:]] == [None] * 3


def test_the_tests_of_a_shape_go_to_one_process_and_those_of_another_shape_to_any() -> None:
    names = [
        "tests/shapes/test_outcomes.py::test_a[monolith]",
        "tests/shapes/test_boundaries.py::test_b[monolith-orders]",
        "tests/shapes/test_outcomes.py::test_a[orchestrated_monolith]",
        "tests/shapes/test_saga_diff.py::test_c",
    ]
    assert [group_of(name) for name in names] == [
        "tests/shapes/monolith",
        "tests/shapes/monolith",
        "tests/shapes/orchestrated_monolith",
        "tests/shapes/",
    ]
