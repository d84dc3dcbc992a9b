"""Files of other projects are those that were looked at, and a page needs nothing of another host."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
STATIC = HERE.parent / "src/shop_floor/static"
FOLDERS = (STATIC / "vendor", HERE / "vendored")
LISTED = [
    (folder, file)
    for folder in FOLDERS
    for file in tomllib.loads((folder / "vendored.toml").read_text())["file"]
]
OWN = sorted(path for path in STATIC.rglob("*") if path.is_file() and "vendor" not in path.parts)
ADDRESS = re.compile(r"(?:https?:)?//[\w.-]+\.\w+")
NAMESPACES = {"http://www.w3.org"}


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("folder", "file"), LISTED, ids=lambda one: one["name"] if isinstance(one, dict) else ""
)
def test_a_vendored_file_is_the_one_that_was_listed(folder: Path, file: dict[str, str]) -> None:
    assert hash_of(folder / file["name"]) == file["sha256"]
    assert all(file[name] for name in ("package", "version", "licence"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda one: one.name)
def test_every_vendored_file_is_listed_and_every_project_has_its_licence(folder: Path) -> None:
    files = {path.name for path in folder.iterdir()}
    listed = {file["name"] for place, file in LISTED if place == folder}
    licences = {name for name in files if name.startswith("LICENSE.")}
    assert files - licences == listed | {"vendored.toml"}
    projects = {file["package"].rpartition("/")[2] for place, file in LISTED if place == folder}
    assert licences == {f"LICENSE.{project}" for project in projects}


def test_a_changed_file_is_seen(tmp_path: Path) -> None:
    folder, file = LISTED[0]
    copy = tmp_path / file["name"]
    copy.write_bytes((folder / file["name"]).read_bytes() + b" ")
    assert hash_of(copy) != file["sha256"]


def foreign_hosts(text: str) -> set[str]:
    return set(ADDRESS.findall(text)) - NAMESPACES


@pytest.mark.parametrize("path", OWN, ids=lambda path: str(path.relative_to(STATIC)))
def test_a_page_loads_nothing_from_another_host(path: Path) -> None:
    assert foreign_hosts(path.read_text()) == set()


def test_a_file_of_another_host_is_seen() -> None:
    assert foreign_hosts('<script src="//cdn.example.org/x.js">') == {"//cdn.example.org"}
