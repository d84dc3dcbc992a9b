"""The customers' directory: entries are made once, and erased to the last byte."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from issuer.directory import Directory, DirectoryDamaged

LONG = "n" * 60
"""Login names of this length fill pages after a few hundred entries, so that SQLite splits them."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "customers.sqlite3"


@pytest.fixture
def directory(file: Path) -> Iterator[Directory]:
    made = Directory(file, "customers.example", lambda: 1_800_000_000.0)
    yield made
    made.close()


def places_of(name: str, folder: Path) -> list[str]:
    """The files of a folder that contain a name."""
    return [file.name for file in folder.iterdir() if name.encode() in file.read_bytes()]


def test_an_entry_has_name_address_and_pseudonym(directory: Directory) -> None:
    pseudonym = directory.pseudonym_of("grace")
    found = directory.find(pseudonym)
    assert found is not None
    assert found == directory.find_login("grace")
    assert (found.login, found.email) == ("grace", "grace@customers.example")
    assert found.created_at == "2027-01-15T08:00:00Z"
    assert "grace" not in pseudonym


def test_a_login_name_that_is_an_address_is_the_address(directory: Directory) -> None:
    found = directory.find(directory.pseudonym_of("grace@navy.example"))
    assert found is not None
    assert found.email == "grace@navy.example"


def test_an_unknown_customer_is_not_found(directory: Directory) -> None:
    assert directory.find("cus_0") is None
    assert directory.find_login("grace") is None
    assert directory.erase("cus_0") is False


def test_entries_outlive_the_process_in_a_file_that_only_the_owner_reads(
    directory: Directory, file: Path
) -> None:
    pseudonym = directory.pseudonym_of("grace")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    second = Directory(file, "customers.example")
    assert second.pseudonym_of("grace") == pseudonym
    second.close()


def test_an_erased_customer_is_in_no_byte_of_the_file(directory: Directory, file: Path) -> None:
    names = [f"{LONG}{number:04}" for number in range(300)]
    pseudonyms = [directory.pseudonym_of(name) for name in names]
    assert places_of(names[150], file.parent) == [file.name]
    assert directory.erase(pseudonyms[150]) is True
    assert directory.find_login(names[150]) is None
    assert places_of(names[150], file.parent) == []
    assert directory.find_login(names[151]) is not None


def test_an_erased_customer_who_comes_back_is_another_one(directory: Directory) -> None:
    before = directory.pseudonym_of("grace")
    directory.erase(before)
    assert directory.pseudonym_of("grace") != before
    assert directory.find(before) is None


def test_a_damaged_file_is_named_and_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "customers.sqlite3"
    file.write_text("no database, but longer than the header of one: " * 10)
    with pytest.raises(DirectoryDamaged, match="customers.sqlite3"):
        Directory(file, "customers.example")
    assert file.read_text().startswith("no database")
