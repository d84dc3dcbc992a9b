"""A release as a file: made of a commit, read, and compared with the commit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from shop_contracts.releases.make import make
from shop_contracts.releases.model import Release
from shop_contracts.releases.release import all_of, newest, read, write
from shop_contracts.releases.snapshot import Snapshot
from shop_contracts.releases.texts import FrozenTexts, freeze_texts
from shop_stack.errors import UserError
from tools.contracts.tests.mini_clone import LENT, SCHEMA, TODAY, Clone, pact

PACT = "contracts/consumers/desk/shelf.json"


def test_a_release_says_what_its_commit_has(clone: Clone) -> None:
    commit = clone.git("rev-parse", "HEAD")
    made, files = make(clone.root, "desk", TODAY)
    assert (made.service, made.version, made.date, made.commit) == ("desk", "0.1.0", TODAY, commit)
    assert made.trees.service == clone.git("rev-parse", "HEAD:services/desk")
    assert made.trees.chassis == clone.git("rev-parse", "HEAD:libs/chassis")
    assert made.trees.contracts == clone.git("rev-parse", "HEAD:contracts")
    assert made.lock.sha256 == hashlib.sha256(b"# locked\n").hexdigest()
    assert made.migrations.head == "0002"
    assert made.publishes == {}
    assert made.reads == {LENT: 1}
    assert made.expectations == {"shelf": hashlib.sha256((clone.root / PACT).read_bytes()).hexdigest()}
    assert files[0] == clone.root / "releases/desk/0.1.0.toml"


def test_a_release_is_read_as_it_was_made(clone: Clone) -> None:
    made = clone.release("shelf")
    assert read(clone.root, "shelf", "0.1.0") == made
    assert made.publishes == {LENT: 1}


def test_releases_are_listed_by_version_and_not_by_name(clone: Clone) -> None:
    for version in ("0.2.0", "0.9.0", "0.10.0"):
        clone.release("shelf", version)
    assert [release.version for release in all_of(clone.root, "shelf")] == ["0.2.0", "0.9.0", "0.10.0"]


def test_a_first_release_freezes_the_texts_that_belong_to_it(clone: Clone) -> None:
    _, files = make(clone.root, "shelf", TODAY)
    assert [str(file.relative_to(clone.root)) for file in files] == [
        "releases/shelf/0.1.0.toml",
        "contracts/events/shelf.book-lent/released/v1.1.examples/a.json",
        "contracts/events/shelf.book-lent/released/v1.1.schema.json",
        "contracts/events/shelf.book-lent/released/v1.1.topic.json",
        "contracts/openapi/released/shelf.1.yaml",
        "contracts/released/dead-letter.1.schema.json",
        "contracts/released/envelope.1.schema.json",
    ]
    assert json.loads(files[2].read_text()) == SCHEMA


def test_a_text_that_did_not_change_keeps_its_number(clone: Clone) -> None:
    clone.release("shelf")
    clone.set_version("shelf", "0.2.0")
    clone.commit()
    made, files = make(clone.root, "shelf", TODAY)
    assert made.publishes == {LENT: 1}
    assert made.api.openapi == 1
    assert files == [clone.root / "releases/shelf/0.2.0.toml"]


def test_a_text_that_changed_gets_the_next_number(clone: Clone) -> None:
    clone.release("shelf")
    clone.write("contracts/events/shelf.book-lent/v1.schema.json", json.dumps({**SCHEMA, "title": "Lent"}))
    clone.write("contracts/openapi/shelf.yaml", "openapi: 3.1.1\n")
    made = clone.release("shelf", "0.2.0")
    assert made.publishes == {LENT: 2}
    assert made.api.openapi == 2
    first = clone.root / "contracts/events/shelf.book-lent/released/v1.1.schema.json"
    assert json.loads(first.read_text()) == SCHEMA


def test_another_delivery_is_another_text(clone: Clone) -> None:
    clone.release("shelf")
    topics = clone.root / "contracts/topics.yaml"
    topics.write_text(topics.read_text().replace("key: book_id", "key: reason"))
    assert clone.release("shelf", "0.2.0").publishes == {LENT: 2}


def test_a_reader_has_the_number_of_the_text_that_its_owner_has_released(clone: Clone) -> None:
    clone.release("shelf")
    clone.write("contracts/events/shelf.book-lent/v1.schema.json", json.dumps({**SCHEMA, "title": "Lent"}))
    assert clone.release("desk").reads == {LENT: 1}


def test_five_releases_in_a_row_need_no_commit_in_between(clone: Clone) -> None:
    make(clone.root, "shelf", TODAY)
    made, _ = make(clone.root, "desk", TODAY)
    assert made.reads == {LENT: 1}


def test_an_unknown_service_is_named_with_the_known_ones(clone: Clone) -> None:
    with pytest.raises(UserError, match="no service 'lamp': it is one of desk, shelf"):
        read(clone.root, "lamp", "0.1.0")
    with pytest.raises(UserError, match="no service 'lamp'"):
        make(clone.root, "lamp", TODAY)


def test_the_newest_release_is_that_of_the_highest_number(clone: Clone) -> None:
    with pytest.raises(UserError, match="shelf has no release: `shop release shelf` makes one"):
        newest(clone.root, "shelf")
    with pytest.raises(UserError, match="no service 'lamp'"):
        newest(clone.root, "lamp")
    for version in ("0.9.0", "0.10.0"):
        clone.release("shelf", version)
    assert newest(clone.root, "shelf") == "0.10.0"


def test_an_unknown_version_is_named_with_the_known_ones(clone: Clone) -> None:
    with pytest.raises(UserError, match="`shop release shelf` makes it"):
        read(clone.root, "shelf", "0.9.0")
    clone.release("shelf")
    with pytest.raises(UserError, match=r"shelf has no release 0\.9\.0: its releases are 0\.1\.0"):
        read(clone.root, "shelf", "0.9.0")


@pytest.mark.parametrize(
    "version", ["", "0.1", "v0.1.0", "01.1.0", "0.1.0rc1", "../../etc/passwd", "0.1.0\n"]
)
def test_a_version_that_is_none_is_refused(clone: Clone, version: str) -> None:
    with pytest.raises(UserError, match="is no version of a release: write three numbers"):
        read(clone.root, "shelf", version)


def test_a_version_is_released_once(clone: Clone) -> None:
    clone.release("shelf")
    clone.write("services/shelf/src/shelf/__init__.py", "NEW = True\n")
    clone.commit()
    with pytest.raises(UserError, match=r"shelf 0\.1\.0 is released already.*raise the version.*CHANGELOG"):
        make(clone.root, "shelf", TODAY)


def test_of_two_commands_at_once_one_writes_the_release(clone: Clone) -> None:
    made = clone.release("shelf")
    with pytest.raises(UserError, match="is released already"):
        write(clone.root, made)
    assert [file.name for file in (clone.root / "releases/shelf").iterdir()] == ["0.1.0.toml"]


def test_an_expectation_of_an_unknown_provider_is_not_released(clone: Clone) -> None:
    """A release never changes, so the file could not be renamed any more."""
    clone.write("contracts/consumers/desk/lamp.json", pact("desk", "lamp"))
    clone.commit()
    with pytest.raises(UserError, match=r"desk/lamp\.json expects something of 'lamp'.*one of desk, issuer,"):
        make(clone.root, "desk", TODAY)
    assert clone.git("status", "--porcelain") == ""


def test_a_version_below_the_last_one_is_refused(clone: Clone) -> None:
    clone.release("shelf", "0.2.0")
    clone.set_version("shelf", "0.1.9")
    clone.commit()
    with pytest.raises(UserError, match=r"0\.1\.9 would be older than its last release, 0\.2\.0"):
        make(clone.root, "shelf", TODAY)


def test_a_changelog_without_the_version_is_refused(clone: Clone) -> None:
    clone.write("services/shelf/CHANGELOG.md", "## Unreleased\n")
    clone.commit()
    with pytest.raises(UserError, match=r"has no heading `## 0\.1\.0`"):
        make(clone.root, "shelf", TODAY)


@pytest.mark.parametrize(
    "path",
    ["services/shelf/new.py", "libs/chassis/chassis.py", "contracts/topics.yaml", "contracts/new.json"],
)
def test_an_uncommitted_file_of_the_release_is_refused(clone: Clone, path: str) -> None:
    clone.write(path, "# changed\n")
    with pytest.raises(UserError, match=f"changed after the last one: {path}. Commit or undo"):
        make(clone.root, "shelf", TODAY)
    assert not (clone.root / "releases").exists()


def test_a_file_of_another_service_does_not_count(clone: Clone) -> None:
    clone.write("services/desk/new.py", "# changed\n")
    clone.write("README.md", "# changed\n")
    made, _ = make(clone.root, "shelf", TODAY)
    assert made.version == "0.1.0"


def test_a_released_text_that_was_edited_is_refused(clone: Clone) -> None:
    clone.release("shelf")
    clone.write("contracts/events/shelf.book-lent/released/v1.1.schema.json", "{}")
    with pytest.raises(UserError, match=r"changed after the last one: .*v1\.1\.schema\.json"):
        make(clone.root, "desk", TODAY)


def test_nothing_is_left_of_a_release_that_fails(clone: Clone) -> None:
    def fail_late(root: Path, said: Snapshot, service: str) -> FrozenTexts:
        freeze_texts(root, said, service)
        raise UserError("the disk is full")

    with pytest.raises(UserError, match="the disk is full"):
        make(clone.root, "shelf", TODAY, fail_late)
    assert clone.git("status", "--porcelain") == ""


def test_two_heads_of_migrations_are_refused(clone: Clone) -> None:
    clone.write("services/shelf/migrations/versions/0002_c.py", 'revision = "0003"\ndown_revision = "0001"\n')
    clone.commit()
    with pytest.raises(UserError, match=r"have 2 heads \(0002, 0003\)"):
        make(clone.root, "shelf", TODAY)


def test_a_clone_that_lacks_the_commit_still_reads_the_file(
    clone: Clone, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = clone.release("shelf")
    clone.commit()
    shallow = shallow_clone(clone, tmp_path_factory)
    assert read(shallow, "shelf", "0.1.0") == made


def shallow_clone(clone: Clone, folders: pytest.TempPathFactory) -> Path:
    """A clone of the clone that has the last commit only."""
    root = folders.mktemp("shallow") / "clone"
    clone.git("clone", "--quiet", "--depth=1", f"file://{clone.root}", str(root))
    return root


def test_a_release_has_a_name_for_folders(clone: Clone) -> None:
    made: Release = clone.release("shelf")
    assert made.name == "shelf-0.1.0"
