"""The data of PostgreSQL moves to a small volume and back, also if that was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from shop_chaos.injectors import disk
from shop_chaos.injectors.disk import Volume

mounts = pytest.mark.skipif(not disk.may_mount(), reason="only a user who may mount can make a small volume")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with one file."""
    folder = tmp_path / "postgres"
    folder.mkdir()
    (folder / "rows").write_text("before")
    return folder


@mounts
async def test_a_volume_that_was_filled_has_no_byte_free_and_its_new_files_are_kept(data: Path) -> None:
    volume = Volume(data)
    await volume.mount()
    try:
        assert data.is_mount()
        (data / "rows").write_text("after")
        volume.fill()
        with pytest.raises(OSError, match="No space left"):
            (data / "more").write_bytes(bytes(disk.PAGE_BYTES))
        volume.free()
    finally:
        await volume.unmount()
    assert not data.is_mount()
    assert (data / "rows").read_text() == "after"
    assert [path.name for path in data.parent.iterdir()] == ["postgres"]
    await volume.unmount()
    assert (data / "rows").read_text() == "after"


@mounts
async def test_a_volume_to_which_the_data_was_not_copied_completely_is_thrown_away(data: Path) -> None:
    volume = Volume(data)
    await volume.mount()
    (data / "rows").unlink()
    (data.parent / "postgres.complete").unlink()
    await volume.unmount()
    assert (data / "rows").read_text() == "before"
    assert not data.is_mount()


@pytest.mark.parametrize("has_begun_to_mount", [True, False])
async def test_the_data_comes_back_if_no_volume_was_mounted(data: Path, has_begun_to_mount: bool) -> None:
    data.rename(data.with_name("postgres.kept"))
    if has_begun_to_mount:
        data.mkdir()
    await Volume(data).unmount()
    assert (data / "rows").read_text() == "before"
