"""The release that a running service is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shop_contracts.answer.resolving import Unresolved, resolve
from shop_contracts.answer.running import Running, running
from shop_contracts.releases.checkout import checkout
from shop_contracts.releases.model import Release
from shop_stack.kafka_access import KafkaAccess
from shop_stack.target import Target
from tools.contracts.tests.mini_clone import Clone

SAYS = b'{"service": "shelf", "version": "0.1.0", "revision": "abc", "consumes": []}'


def target_of(url: str) -> Target:
    """A shop with one service."""
    return Target("test", {}, {"shelf": url}, "", KafkaAccess(""), {}, Path(), Path(), Path())


@asynccontextmanager
async def answering(body: bytes, status: bytes = b"200 OK") -> AsyncIterator[str]:
    """An HTTP server that gives one answer to all requests. Yields its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (status, len(body))
        writer.write(head + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_service_is_asked_itself() -> None:
    async with answering(SAYS) as url:
        assert await running(target_of(url)) == {"shelf": Running("shelf", "0.1.0", "abc")}


@pytest.mark.parametrize(("told", "schema"), [(b"0007", "0007"), (b"unknown", "")])
async def test_a_service_tells_the_last_migration_of_its_database(told: bytes, schema: str) -> None:
    async with answering(SAYS.replace(b"}", b', "schema": "%b"}' % told)) as url:
        assert (await running(target_of(url)))["shelf"].schema == schema


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"{}", b"404 Not Found", "answers 404"),
        (b"<html>", b"200 OK", "does not answer as a service does"),
        (
            b'{"service": "desk", "version": "1", "revision": "a"}',
            b"200 OK",
            "does not answer as a service does",
        ),
        (b"[]", b"200 OK", "does not answer as a service does"),
    ],
)
async def test_a_wrong_answer_is_told(body: bytes, status: bytes, why: str) -> None:
    async with answering(body, status) as url:
        found = (await running(target_of(url)))["shelf"]
    assert why in found.silent


async def test_a_service_that_does_not_answer_is_named(clone: Clone) -> None:
    found = (await running(target_of("http://127.0.0.1:1")))["shelf"]
    answer = resolve(clone.root, found)
    assert isinstance(answer, Unresolved)
    assert "shelf does not say what runs: http://127.0.0.1:1 does not answer" in answer.why
    assert answer.cure == "see `shop status`, then `shop restart shelf`"


def test_the_commit_of_a_release_is_the_release(clone: Clone) -> None:
    release = clone.release("shelf")
    assert resolve(clone.root, Running("shelf", "0.1.0", release.commit)) == release


def test_a_later_commit_with_the_same_code_is_the_release(clone: Clone) -> None:
    release = clone.release("shelf")
    clone.write("services/desk/src/desk/__init__.py", "NEW = True\n")
    commit = clone.commit()
    assert resolve(clone.root, Running("shelf", "0.1.0", commit)) == release


async def test_a_commit_with_other_code_is_a_release_of_this_answer_only(clone: Clone) -> None:
    clone.release("shelf")
    clone.write("services/shelf/src/shelf/__init__.py", "NEW = True\n")
    commit = clone.commit()
    found = resolve(clone.root, Running("shelf", "0.1.0", commit))
    assert isinstance(found, Release)
    assert found.version == f"0.1.0+{commit[:12]}"
    assert found.trees.service == clone.git("rev-parse", "HEAD:services/shelf")
    folder = await checkout(found, clone.root)
    assert (folder / "services/shelf/src/shelf/__init__.py").read_text() == "NEW = True\n"
    assert list((clone.root / "releases/shelf").iterdir()) == [clone.root / "releases/shelf/0.1.0.toml"]


def test_an_image_that_says_its_version_alone_is_that_release(clone: Clone) -> None:
    release = clone.release("shelf")
    assert resolve(clone.root, Running("shelf", "0.1.0", "unknown")) == release


@pytest.mark.parametrize(
    ("version", "revision", "why", "cure"),
    [
        ("0.1.0", f"{'a' * 40}-dirty", "runs files that are in no commit", "commit them"),
        ("0.1.0", "a" * 40, "which is not in this clone", "git fetch"),
        ("dev", "unknown", "neither its commit nor the version", "SHOP_REVISION"),
    ],
)
def test_code_that_cannot_be_had_is_named_with_the_cure(
    clone: Clone, version: str, revision: str, why: str, cure: str
) -> None:
    clone.release("shelf")
    found = resolve(clone.root, Running("shelf", version, revision))
    assert isinstance(found, Unresolved)
    assert why in found.why
    assert cure in found.cure
