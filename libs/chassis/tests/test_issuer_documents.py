"""The keys are fetched by HTTP from the address that the issuer's discovery document names."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from chassis.web import issuer_documents
from chassis.web.issuer_documents import MAX_BYTES, WrongDocument, fetch_keys_of

KEYS = {"keys": [{"kid": "a"}]}


@dataclass
class HttpIssuer:
    """A server that sends the bytes in `answers` for a path."""

    answers: dict[str, bytes] = field(default_factory=dict)
    is_silent: bool = False
    url: str = ""

    def publish(self, path: str, document: Any, status: str = "200 OK", more: str = "") -> None:
        body = json.dumps(document).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
        self.answers[path] = head.encode() + body

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).split()[1].decode()
        await reader.readuntil(b"\r\n\r\n")
        if self.is_silent:
            await reader.read()
        writer.write(self.answers.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
        await writer.drain()
        writer.close()


@pytest.fixture
async def issuer() -> AsyncIterator[HttpIssuer]:
    made = HttpIssuer()
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    made.publish("/.well-known/openid-configuration", {"issuer": made.url, "jwks_uri": f"{made.url}/keys"})
    made.publish("/keys", KEYS)
    yield made
    server.close()


async def fetch(issuer: HttpIssuer) -> Mapping[str, Any]:
    return await fetch_keys_of(issuer.url)()


async def test_the_keys_are_those_at_the_address_of_the_discovery_document(issuer: HttpIssuer) -> None:
    assert await fetch(issuer) == KEYS


async def test_a_discovery_document_of_another_issuer_is_refused(issuer: HttpIssuer) -> None:
    document = {"issuer": "http://stranger.test", "jwks_uri": f"{issuer.url}/keys"}
    issuer.publish("/.well-known/openid-configuration", document)
    with pytest.raises(WrongDocument, match="is not of"):
        await fetch(issuer)


@pytest.mark.parametrize(
    "address", [None, 7, "file:///etc/passwd", "ftp://127.0.0.1/keys", "https://127.0.0.1/keys"]
)
async def test_an_address_of_another_scheme_is_not_opened(issuer: HttpIssuer, address: object) -> None:
    document = {"issuer": issuer.url, "jwks_uri": address}
    issuer.publish("/.well-known/openid-configuration", document)
    with pytest.raises(WrongDocument, match="another scheme"):
        await fetch(issuer)


@pytest.mark.parametrize("document", [[1], "x", None, "x" * MAX_BYTES])
async def test_a_key_set_that_is_no_object_or_too_large_is_refused(
    issuer: HttpIssuer, document: object
) -> None:
    issuer.publish("/keys", document)
    with pytest.raises(WrongDocument):
        await fetch(issuer)


@pytest.mark.parametrize(
    "answer", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"x" * 99]
)
async def test_bytes_that_are_no_answer_are_an_error_that_is_tried_again(
    issuer: HttpIssuer, answer: bytes
) -> None:
    issuer.answers["/keys"] = answer
    with pytest.raises((OSError, ValueError)):
        await fetch(issuer)


async def test_a_redirect_is_not_followed(issuer: HttpIssuer) -> None:
    issuer.publish("/keys", KEYS, "302 Found", f"Location: {issuer.url}/elsewhere\r\n")
    issuer.publish("/elsewhere", KEYS)
    with pytest.raises(OSError, match="302"):
        await fetch(issuer)


async def test_an_issuer_that_does_not_answer_ends_the_fetch(
    issuer: HttpIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer_documents, "FETCH_SECONDS", 0.2)
    issuer.is_silent = True
    with pytest.raises(OSError, match="timed out"):
        await fetch(issuer)


async def test_a_proxy_of_the_environment_is_not_asked(
    issuer: HttpIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert await fetch(issuer) == KEYS
