"""The spans' receiver over a real socket, and the segments that it keeps."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from shop_stack.otlp_receiver import LARGEST_BODY, Receiver, Segments, records, segment_files

PROTOBUF = {"Content-Type": "application/x-protobuf"}


@asynccontextmanager
async def receiving(folder: Path) -> AsyncIterator[str]:
    """A receiver that keeps spans in a folder; gives its address."""
    segments = Segments(folder, most_bytes=1 << 20, segment_bytes=1 << 16)
    server = await asyncio.get_running_loop().create_server(lambda: Receiver(segments), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()
        segments.close()


def kept(folder: Path) -> list[tuple[bytes, bool]]:
    return [record for file in segment_files(folder) for record in records(file)]


async def test_bodies_are_kept_as_they_came_and_connections_are_used_again(tmp_path: Path) -> None:
    zipped = gzip.compress(b"two")
    async with receiving(tmp_path) as url, httpx.AsyncClient(base_url=url, headers=PROTOBUF) as client:
        first = await client.post("/v1/traces", content=b"one")
        second = await client.post("/v1/traces", content=zipped, headers={"Content-Encoding": "gzip"})
    assert (first.status_code, second.status_code) == (200, 200)
    assert kept(tmp_path) == [(b"one", False), (zipped, True)]


async def test_metrics_and_logs_are_taken_and_not_kept(tmp_path: Path) -> None:
    async with receiving(tmp_path) as url, httpx.AsyncClient(base_url=url, headers=PROTOBUF) as client:
        answers = [await client.post(path, content=b"x") for path in ("/v1/metrics", "/v1/logs")]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert kept(tmp_path) == []


async def test_it_says_that_it_is_alive(tmp_path: Path) -> None:
    async with receiving(tmp_path) as url, httpx.AsyncClient(base_url=url) as client:
        assert [(await client.get(path)).status_code for path in ("/livez", "/readyz")] == [200, 200]


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", b"404"),
        (
            b"POST /v1/traces HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
            b"415",
        ),
        (b"POST /v1/traces HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST /v1/traces HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /v1/traces HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (LARGEST_BODY + 1), b"413"),
        (b"x" * 40_000, b"431"),
    ],
)
async def test_what_it_cannot_take_is_refused_with_its_own_status(
    tmp_path: Path, request_head: bytes, status: bytes
) -> None:
    async with receiving(tmp_path) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(request_head)
        assert (await reader.readline()).split()[1] == status
        writer.close()
        await writer.wait_closed()


async def test_a_request_that_arrives_in_pieces_is_one_request(tmp_path: Path) -> None:
    async with receiving(tmp_path) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        for piece in (b"POST /v1/traces HT", b"TP/1.1\r\nContent-Length: 4\r\n\r", b"\nab", b"cd"):
            writer.write(piece)
            await writer.drain()
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()
        await writer.wait_closed()
    assert kept(tmp_path) == [(b"abcd", False)]


def test_the_oldest_segments_go_when_the_folder_is_full(tmp_path: Path) -> None:
    segments = Segments(tmp_path, most_bytes=1_000, segment_bytes=200)
    for number in range(50):
        segments.append(f"{number:0100d}".encode(), gzip=False)
    segments.close()
    bodies = [int(body) for body, _ in kept(tmp_path)]
    assert sum(file.stat().st_size for file in segment_files(tmp_path)) <= 1_000
    assert bodies == list(range(bodies[0], 50))


def test_a_receiver_that_starts_again_goes_on_in_a_new_segment(tmp_path: Path) -> None:
    for body in (b"before", b"after"):
        segments = Segments(tmp_path, most_bytes=1_000, segment_bytes=200)
        segments.append(body, gzip=False)
        segments.close()
    assert [body for body, _ in kept(tmp_path)] == [b"before", b"after"]


def test_a_torn_record_at_the_end_of_a_segment_is_left_out(tmp_path: Path) -> None:
    segments = Segments(tmp_path, most_bytes=1_000, segment_bytes=200)
    segments.append(b"whole", gzip=False)
    segments.append(b"torn by a kill", gzip=False)
    segments.close()
    (file,) = segment_files(tmp_path)
    file.write_bytes(file.read_bytes()[:-3])
    assert [body for body, _ in kept(tmp_path)] == [b"whole"]


def test_a_segment_that_was_dropped_while_it_was_to_be_read_has_no_records(tmp_path: Path) -> None:
    assert list(records(tmp_path / "00000001.otlp")) == []
