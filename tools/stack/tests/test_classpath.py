"""Kafka's jars are those that were locked, byte for byte."""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path

import pytest

from shop_stack import classpath, kafka
from shop_stack.classpath import UnknownJar
from shop_stack.errors import UserError
from shop_stack.paths import cache_folder


@pytest.fixture
def jars(tmp_path: Path) -> list[Path]:
    """Two files in place of jars."""
    found = [tmp_path / "kafka-1.jar", tmp_path / "zstd-2.jar"]
    for jar in found:
        jar.write_bytes(jar.name.encode())
    return found


def hashes_of(jars: list[Path]) -> dict[str, str]:
    return {jar.name: classpath.hash_of(jar) for jar in jars}


async def test_every_jar_that_kafka_is_run_from_is_locked() -> None:
    jars = [Path(jar) for jar in (await kafka.classpath(cache_folder())).split(":")]
    classpath.verify(jars, classpath.locked())


def test_a_jar_of_other_bytes_is_refused(jars: list[Path]) -> None:
    locked = hashes_of(jars)
    classpath.verify(jars, locked)
    jars[1].write_bytes(b"planted")
    with pytest.raises(UnknownJar, match="zstd-2.jar does not have the locked hash: delete it"):
        classpath.verify(jars, locked)


def test_a_jar_that_was_never_locked_and_one_that_is_missing_are_refused(jars: list[Path]) -> None:
    with pytest.raises(UnknownJar, match="zstd-2.jar"):
        classpath.verify(jars, hashes_of(jars[:1]))
    with pytest.raises(UnknownJar, match="zstd-2.jar is locked, but"):
        classpath.verify(jars[:1], hashes_of(jars))


async def test_a_refused_jar_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(*_: object, **__: object) -> tuple[int, str]:
        return (
            1,
            "UnknownJar: /m2/x.jar does not have the locked hash: delete it, so that it is downloaded again",
        )

    monkeypatch.setattr(kafka, "run", refuses)
    with pytest.raises(UserError, match=r"do not have the locked hashes: /m2/x.jar .* downloaded again\.$"):
        await kafka.classpath(tmp_path)


def test_two_stacks_that_start_at_once_download_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = tmp_path / "hashes"
    hashes.touch()
    taken: list[bool] = []

    def resolved() -> list[Path]:
        with hashes.open() as another, pytest.raises(BlockingIOError):
            fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
        taken.append(True)
        return []

    monkeypatch.setattr(classpath, "HASHES", hashes)
    monkeypatch.setattr(classpath, "resolved", resolved)
    monkeypatch.setattr(sys, "argv", ["classpath"])
    assert classpath.main() == 0
    assert taken == [True]
