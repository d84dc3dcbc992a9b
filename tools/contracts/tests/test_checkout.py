"""The code of a release as a folder."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shop_contracts.releases.checkout import checkout
from shop_stack.errors import UserError
from tools.contracts.tests.mini_clone import Clone

CODE = "services/shelf/src/shelf/__init__.py"


async def test_the_folder_has_the_code_of_the_release_and_not_that_of_today(clone: Clone) -> None:
    clone.write(CODE, "OLD = True\n")
    release = clone.release("shelf")
    clone.write(CODE, "NEW = True\n")
    folder = await checkout(release, clone.root)
    assert folder == clone.root / ".shop/releases/shelf-0.1.0"
    assert (folder / CODE).read_text() == "OLD = True\n"
    assert (folder / "contracts/topics.yaml").is_file()
    assert (folder / "libs/chassis/chassis.py").is_file()
    assert not (folder / "services/desk").exists()


async def test_a_second_checkout_changes_nothing(clone: Clone) -> None:
    release = clone.release("shelf")
    folder = await checkout(release, clone.root)
    extra = folder / "services/shelf/__pycache__"
    extra.mkdir()
    assert await checkout(release, clone.root) == folder
    assert extra.is_dir()


async def test_a_folder_that_was_edited_is_replaced(clone: Clone) -> None:
    release = clone.release("shelf")
    folder = await checkout(release, clone.root)
    (folder / CODE).write_text("import os\n")
    (folder / "contracts/topics.yaml").unlink()
    await checkout(release, clone.root)
    assert (folder / CODE).read_text() == ""
    assert (folder / "contracts/topics.yaml").is_file()
    assert sorted(path.name for path in folder.parent.iterdir()) == ["shelf-0.1.0", "shelf-0.1.0.lock"]


async def test_a_shallow_clone_says_how_to_get_the_rest(
    clone: Clone, tmp_path_factory: pytest.TempPathFactory
) -> None:
    release = clone.release("shelf")
    clone.commit()
    root = tmp_path_factory.mktemp("shallow") / "clone"
    clone.git("clone", "--quiet", "--depth=1", f"file://{clone.root}", str(root))
    with pytest.raises(UserError, match=r"shelf 0\.1\.0 .* is not in this clone.*`git fetch --unshallow`"):
        await checkout(release, root)
    assert not (root / ".shop/releases").exists()


async def test_a_commit_that_no_branch_has_says_how_to_get_it(clone: Clone) -> None:
    release = replace(clone.release("shelf"), commit="0" * 40)
    with pytest.raises(UserError, match="no branch of this clone leads to it"):
        await checkout(release, clone.root)


async def test_a_release_with_other_trees_than_its_commit_is_not_checked_out(clone: Clone) -> None:
    release = clone.release("shelf")
    forged = replace(release, trees=replace(release.trees, service="0" * 40))
    with pytest.raises(UserError, match="was edited: its trees differ"):
        await checkout(forged, clone.root)
