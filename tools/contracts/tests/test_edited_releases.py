"""A release's file that was edited, damaged, copied or badly named is refused with the cure."""

from __future__ import annotations

import pytest

from shop_contracts.releases.release import all_of, file_of, read
from shop_stack.errors import UserError
from tools.contracts.tests.mini_clone import LENT, Clone


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("service = ", "servise = "),
        ("[trees]", "[forest]"),
        ('"0002"', "2"),
        ("date = 2026-11-29", 'date = "2026-11-29"'),
        ("openapi = 1", "openapi = -1"),
        ("openapi = 1", "openapi = 1\n[more]"),
        ("commit =", "<<<<<<< HEAD\ncommit ="),
    ],
)
def test_a_damaged_file_is_named_with_the_cure(clone: Clone, old: str, new: str) -> None:
    clone.release("shelf")
    file = file_of(clone.root, "shelf", "0.1.0")
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=r"0\.1\.0\.toml is damaged .*restore it with `git checkout --"):
        read(clone.root, "shelf", "0.1.0")


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        ("trees", 'chassis = "', 'chassis = "0'),
        ("lock", 'sha256 = "', 'sha256 = "0'),
        ("migrations", '"0002"', '"0001"'),
        ("publishes", LENT, "shelf.book-lost.v1"),
    ],
)
def test_a_file_that_was_edited_differs_from_its_commit(clone: Clone, part: str, old: str, new: str) -> None:
    clone.release("shelf")
    file = file_of(clone.root, "shelf", "0.1.0")
    lines = file.read_text().splitlines()
    number = next(i for i, line in enumerate(lines) if old in line)
    changed = lines[number].replace(old, new)
    lines[number] = f'{changed[:-2]}"' if new.endswith('"0') else changed
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match=f"was edited: its {part} differ from its commit"):
        read(clone.root, "shelf", "0.1.0")
    with pytest.raises(UserError, match="was edited"):
        all_of(clone.root, "shelf")


@pytest.mark.parametrize(
    ("service", "old", "new", "name"),
    [
        ("shelf", f'"{LENT}" = 1', f'"{LENT}" = 2', LENT),
        ("shelf", "openapi = 1", "openapi = 2", "openapi"),
        ("desk", f'"{LENT}" = 1', f'"{LENT}" = 2', LENT),
        ("desk", f'"{LENT}" = 1', f'"{LENT}" = 0', LENT),
    ],
)
def test_an_edited_number_is_that_of_another_text(
    clone: Clone, service: str, old: str, new: str, name: str
) -> None:
    clone.release(service)
    file = file_of(clone.root, service, "0.1.0")
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(UserError, match=f"was edited, or a released text was: {name} has another text"):
        read(clone.root, service, "0.1.0")


def test_an_edited_released_text_is_found(clone: Clone) -> None:
    clone.release("shelf")
    clone.write("contracts/events/shelf.book-lent/released/v1.1.schema.json", "{}")
    with pytest.raises(UserError, match="Restore both with `git checkout --"):
        read(clone.root, "shelf", "0.1.0")


def test_an_expectation_of_another_text_is_an_edit(clone: Clone) -> None:
    made = clone.release("desk")
    file = file_of(clone.root, "desk", "0.1.0")
    file.write_text(file.read_text().replace(made.expectations["shelf"], "0" * 64))
    with pytest.raises(UserError, match="was edited: its expectations differ"):
        read(clone.root, "desk", "0.1.0")


@pytest.mark.parametrize(
    ("old", "new"), [("date = 2026-11-29", "date = 2026-01-01"), ('commit = "', 'commit = "00')]
)
def test_an_edit_that_the_commit_does_not_show_differs_from_the_committed_file(
    clone: Clone, old: str, new: str
) -> None:
    made = clone.release("shelf")
    file = file_of(clone.root, "shelf", "0.1.0")
    text = file.read_text().replace(made.commit, made.commit[:-2]) if "commit" in old else file.read_text()
    file.write_text(text.replace(old, new))
    with pytest.raises(
        UserError, match=r"was edited since it was committed: restore it with `git checkout --"
    ):
        read(clone.root, "shelf", "0.1.0")


def test_a_file_with_the_name_of_no_version_is_named(clone: Clone) -> None:
    clone.release("shelf")
    clone.write("releases/shelf/latest.toml", "")
    with pytest.raises(UserError, match=r"releases/shelf/latest\.toml has the name of no version.*delete it"):
        all_of(clone.root, "shelf")


def test_a_copy_under_another_number_is_refused(clone: Clone) -> None:
    clone.release("shelf")
    copy = file_of(clone.root, "shelf", "0.2.0")
    copy.write_text(file_of(clone.root, "shelf", "0.1.0").read_text())
    with pytest.raises(
        UserError, match=r"says that it is shelf 0\.1\.0: two releases cannot have one number"
    ):
        read(clone.root, "shelf", "0.2.0")
