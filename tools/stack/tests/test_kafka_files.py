"""The files of the broker: the archive of its classes, and a data folder on any path."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from shop_stack import kafka
from shop_stack.process import Daemon


def one_filesystem_per_folder(file: Path, target: Path) -> Path:
    """Path.replace where each folder is a filesystem of its own."""
    if file.parent != target.parent:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    os.replace(file, target)
    return target


async def test_the_archive_of_classes_reaches_a_cache_on_another_filesystem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "kafka-1.aot").write_bytes(b"classes")
    monkeypatch.setattr(Path, "replace", one_filesystem_per_folder)
    await kafka.stop(Daemon("kafka", state), tmp_path / "cache")
    assert {path.name: path.read_bytes() for path in (tmp_path / "cache").iterdir()} == {
        "kafka-1.aot": b"classes"
    }
    assert list(state.iterdir()) == []


async def test_a_cache_that_cannot_be_written_does_not_fail_a_stop(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "kafka-1.aot").touch()
    (tmp_path / "cache").touch()
    await kafka.stop(Daemon("kafka", state), tmp_path / "cache")
    assert list(state.iterdir()) == []
