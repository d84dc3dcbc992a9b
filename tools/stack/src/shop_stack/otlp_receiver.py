"""The receiver of spans: OTLP over HTTP. It stores requests unread, and limits the disk space that they use.

Its CPU time is a part of the cost of an order, so it parses nothing. It appends a request's body to a segment file as
it arrived (gzip included). `shop_observe.traces` parses the bodies when a trace is read.

A segment is a sequence of records: four bytes of length (big endian), one byte that is 1 if the body is gzip, then the
body, an `ExportTraceServiceRequest`.

    python -m shop_stack.otlp_receiver --port 18018 --folder .shop/spans

With `--forward http://jaeger:4318` it also sends each request on to another store of traces (`otlp_forward.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from shop_stack.otlp_forward import Forwarder

HEADER = struct.Struct(">IB")
LARGEST_BODY = 64 * 1024 * 1024
LARGEST_HEAD = 32 * 1024


class Segments:
    """The spans on disk. Bodies are appended to the newest file; the oldest files are deleted."""

    def __init__(self, folder: Path, most_bytes: int, segment_bytes: int) -> None:
        """`most_bytes` limits the whole folder, `segment_bytes` one file."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._most = most_bytes
        self._segment = segment_bytes
        self._number = max((int(path.stem) for path in segment_files(folder)), default=0)
        self._file = -1
        self._written = 0
        self._open_next()

    def append(self, body: bytes, gzip: bool) -> None:
        """Store one request's body. Raises OSError if the disk is full."""
        if self._written >= self._segment:
            self._open_next()
        record = HEADER.pack(len(body), gzip) + body
        written = os.write(self._file, record)
        if written < len(record):
            # A reader could not find the records behind an incomplete one.
            os.ftruncate(self._file, self._written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._written += written

    def close(self) -> None:
        os.close(self._file)

    def _open_next(self) -> None:
        self._number += 1
        path = self._folder / f"{self._number:08d}.otlp"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._written = file, 0
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        files = segment_files(self._folder)
        held = sum(path.stat().st_size for path in files) + self._segment
        for path in files[:-1]:
            if held <= self._most:
                break
            held -= path.stat().st_size
            path.unlink(missing_ok=True)


def segment_files(folder: Path) -> list[Path]:
    """The segment files of a folder, oldest first."""
    return sorted(path for path in folder.glob("*.otlp") if path.stem.isdigit())


def records(file: Path) -> Iterator[tuple[bytes, bool]]:
    """Every (body, is gzip) of one segment; a record that is still being written is left out.

    There is none in a segment that the receiver has dropped since.
    """
    try:
        opened = file.open("rb")
    except FileNotFoundError:
        return
    with opened as stream:
        while len(head := stream.read(HEADER.size)) == HEADER.size:
            length, gzip = HEADER.unpack(head)
            body = stream.read(length)
            if len(body) < length:
                return
            yield body, bool(gzip)


def answer(status: str, body: bytes = b"", content_type: str = "application/x-protobuf") -> bytes:
    """An HTTP/1.1 response. An empty protobuf message means full success in OTLP."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


OK = answer("200 OK")
ALIVE = answer("200 OK", b"ok\n", "text/plain")


class Receiver(asyncio.Protocol):
    """One connection of an exporter, which can send several requests."""

    def __init__(self, segments: Segments, forward: Callable[[bytes, bool], None] | None = None) -> None:
        """`forward` gets each body that was stored, and whether it is gzip."""
        self._segments = segments
        self._forward = forward
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (reply := self._next_reply()) is not None:
            assert self._transport is not None
            self._transport.write(reply)
            if b"Connection: close" in reply:
                self._transport.close()
                return

    def _next_reply(self) -> bytes | None:
        """The response to the first complete request, None if there is none yet."""
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return (
                refusal("431 Request Header Fields Too Large") if len(self._received) > LARGEST_HEAD else None
            )
        request, *lines = self._received[:end].decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }
        if "transfer-encoding" in headers:
            return refusal("411 Length Required")
        length = (
            int(headers.get("content-length", "0")) if headers.get("content-length", "0").isdigit() else -1
        )
        if length < 0:
            return refusal("400 Bad Request")
        if length > LARGEST_BODY:
            return refusal("413 Content Too Large")
        if len(self._received) < end + 4 + length:
            return None
        body = bytes(self._received[end + 4 : end + 4 + length])
        del self._received[: end + 4 + length]
        return self._reply(request, headers, body)

    def _reply(self, request: str, headers: dict[str, str], body: bytes) -> bytes:
        method, _, rest = request.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method == "GET" and path in ("/livez", "/readyz"):
            return ALIVE
        if method != "POST" or path not in ("/v1/traces", "/v1/metrics", "/v1/logs"):
            return answer("404 Not Found")
        if path != "/v1/traces":
            return OK  # Accepted so that the exporter does not fail. Metrics and logs are not stored.
        if headers.get("content-type", "").startswith("application/json"):
            return answer("415 Unsupported Media Type")
        zipped = headers.get("content-encoding", "").lower() == "gzip"
        try:
            self._segments.append(body, zipped)
        except OSError as error:
            print(f"spans are lost: {error}", file=sys.stderr, flush=True)
            return answer("503 Service Unavailable")
        if self._forward is not None:
            self._forward(body, zipped)
        return OK


def refusal(status: str) -> bytes:
    """A response that closes the connection, because the end of this request cannot be found."""
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


async def serve(host: str, port: int, segments: Segments, forwarder: Forwarder | None) -> None:
    """Receive until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    forward = forwarder.forward if forwarder else None
    server = await loop.create_server(lambda: Receiver(segments, forward), host, port)
    await stop.wait()
    server.close()
    segments.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m shop_stack.otlp_receiver", description="Receive spans over OTLP/HTTP and keep them."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=18018)
    parser.add_argument("--folder", type=Path, required=True, help="where the segments are kept")
    parser.add_argument("--most-mb", type=int, default=512, help="most MiB of all segments together")
    parser.add_argument("--segment-mb", type=int, default=8, help="MiB after which a new segment begins")
    parser.add_argument("--forward", default="", help="another receiver, such as http://jaeger:4318")
    given = parser.parse_args()
    try:
        forwarder = Forwarder(given.forward) if given.forward else None
        segments = Segments(given.folder, given.most_mb << 20, given.segment_mb << 20)
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(given.host, given.port, segments, forwarder))
    except (OSError, ValueError) as error:
        raise SystemExit(f"The spans' receiver cannot start: {error}.") from None


if __name__ == "__main__":
    main()
