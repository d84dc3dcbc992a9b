"""Spans that the receiver sends on to another one, over real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from shop_stack.otlp_forward import MOST_BYTES, Forwarder
from shop_stack.otlp_receiver import Receiver, Segments, records, segment_files
from shop_stack.ports import free_port
from testkit import eventually

PROTOBUF = {"Content-Type": "application/x-protobuf"}


def kept(folder: Path) -> list[tuple[bytes, bool]]:
    return [record for file in segment_files(folder) for record in records(file)]


class Noted(Receiver):
    """A receiver whose connections are counted."""

    open: ClassVar[int] = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Noted.open += 1
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        Noted.open -= 1


async def end(*servers: asyncio.Server) -> None:
    """Close servers, and return when their connections are closed."""
    for server in servers:
        server.close()

    async def none_is_open() -> None:
        assert Noted.open == 0

    await eventually(none_is_open)


async def receive(folder: Path, port: int, forwarder: Forwarder | None = None) -> asyncio.Server:
    """Start a receiver that keeps spans in a folder."""
    segments = Segments(folder, most_bytes=1 << 20, segment_bytes=1 << 16)
    forward = forwarder.forward if forwarder else None
    return await asyncio.get_running_loop().create_server(lambda: Noted(segments, forward), "127.0.0.1", port)


async def send(port: int, *bodies: bytes) -> None:
    async with httpx.AsyncClient(headers=PROTOBUF, trust_env=False) as client:
        for body in bodies:
            headers = {"Content-Encoding": "gzip"} if body.startswith(b"zip") else {}
            answer = await client.post(f"http://127.0.0.1:{port}/v1/traces", content=body, headers=headers)
            assert answer.status_code == 200


async def test_bodies_are_kept_and_sent_on_as_they_came(tmp_path: Path) -> None:
    near, far = free_port(), free_port()
    other = await receive(tmp_path / "far", far)
    own = await receive(tmp_path / "near", near, Forwarder(f"http://127.0.0.1:{far}"))
    await send(near, b"one", b"zip two", b"three")
    expected = [(b"one", False), (b"zip two", True), (b"three", False)]

    async def have_arrived() -> None:
        assert kept(tmp_path / "far") == expected

    await eventually(have_arrived)
    assert kept(tmp_path / "near") == expected
    await end(own, other)


async def test_while_the_other_receiver_is_away_exporters_are_answered_and_its_return_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    near, far = free_port(), free_port()
    own = await receive(tmp_path / "near", near, Forwarder(f"http://127.0.0.1:{far}"))
    await send(near, b"one", b"two")
    told = ""

    async def is_told(sentence: str) -> None:
        nonlocal told
        told += capfd.readouterr().err
        assert sentence in told

    await eventually(lambda: is_told(f"spans do not reach 127.0.0.1:{far}: "))
    other = await receive(tmp_path / "far", far)
    await send(near, b"three")
    await eventually(lambda: is_told(f"spans reach 127.0.0.1:{far} again"))
    assert kept(tmp_path / "near") == [(b"one", False), (b"two", False), (b"three", False)]
    assert kept(tmp_path / "far")[-1] == (b"three", False)
    await end(own, other)


async def test_what_waits_has_a_limit_of_bytes() -> None:
    forwarder = Forwarder(f"http://127.0.0.1:{free_port()}")
    forwarder.forward(b"x" * (MOST_BYTES + 1), False)
    assert forwarder.waiting == 0
    assert forwarder.lost == 1


@pytest.mark.parametrize(
    "address", ["jaeger:4318", "https://jaeger:4318", "http://jaeger:4318/v1/traces", ""]
)
def test_an_address_that_it_cannot_use_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is no address such as"):
        Forwarder(address)
