"""A release runs on its own tables, on earlier ones, and on those of the next release."""

from __future__ import annotations

from pathlib import Path

import pytest

from shop_stack import paths
from shop_stack.errors import UserError
from shop_stack.tables import Head, heads_of, too_old

HEADS = [Head("0.1.0", "0005"), Head("0.2.0", "0006"), Head("0.3.0", "0007")]


@pytest.mark.parametrize(
    ("version", "schema"),
    [
        ("0.1.0", ""),
        ("0.1.0", "0001"),
        ("0.1.0", "0005"),
        ("0.1.0", "0006"),
        ("0.2.0", "0007"),
        ("0.3.0", "0005"),
        ("0.3.0", "0008"),
        ("clone", "0009"),
        ("0.2.0.3f", "0009"),
    ],
)
def test_a_release_runs_on_the_tables_of_the_next_one_and_on_all_earlier_ones(
    version: str, schema: str
) -> None:
    assert too_old("shelf", version, schema, HEADS) is None


@pytest.mark.parametrize(
    ("version", "schema", "maker", "way_out"),
    [
        ("0.1.0", "0007", "shelf 0.3.0", "deploy shelf 0.2.0 or a later release"),
        ("0.1.0", "0008", "code after shelf 0.3.0", "deploy shelf 0.3.0 or a later release"),
        ("0.2.0", "0008", "code after shelf 0.3.0", "deploy shelf 0.3.0 or a later release"),
    ],
)
def test_a_jump_over_a_release_is_refused_with_the_release_that_still_runs(
    version: str, schema: str, maker: str, way_out: str
) -> None:
    found = too_old("shelf", version, schema, HEADS)
    assert found is not None
    assert f"their last migration is {schema}, made by {maker}, " in found.reason
    assert found.way_out.startswith(f"{way_out}; {version} needs a shop with an empty database")


def test_releases_without_a_migration_of_their_own_are_no_jump() -> None:
    same = [Head("0.1.0", "0005"), Head("0.2.0", "0006"), Head("0.3.0", "0006"), Head("0.10.0", "0006")]
    assert too_old("shelf", "0.1.0", "0006", same) is None


def test_the_releases_of_this_clone_are_read_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "repository", lambda: tmp_path)
    folder = tmp_path / "releases" / "shelf"
    folder.mkdir(parents=True)
    for version, migration in (("0.10.0", "0003"), ("0.9.0", "0002")):
        (folder / f"{version}.toml").write_text(f'[migrations]\nhead = "{migration}"\n')
    assert heads_of("shelf") == [Head("0.9.0", "0002"), Head("0.10.0", "0003")]
    assert heads_of("lamp") == []
    (folder / "0.9.0.toml").write_text("[migrations]\n")
    with pytest.raises(
        UserError, match=r"^releases/shelf/0\.9\.0\.toml is damaged: restore it with `git checkout"
    ):
        heads_of("shelf")
