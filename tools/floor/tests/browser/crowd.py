"""Open pages without a browser: each reads a stream of the page's server and throws it away.

python -m tools.floor.tests.browser.crowd PORT COOKIE PATH [PATH ...]

Prints `open` when each stream has answered. Ends when its standard input ends, or if a stream ends before that.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

TAKEN = 1 << 16
"""Bytes that are read at once."""


async def follow(port: int, cookie: str, path: str, opened: asyncio.Semaphore) -> None:
    """Read one stream. Raises ConnectionError when it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
    status = await reader.readline()
    if b" 200 " not in status:
        raise ConnectionError(f"{path}: {status!r}")
    opened.release()
    while await reader.read(TAKEN):
        pass
    raise ConnectionError(f"{path} has ended")


async def crowd(port: int, cookie: str, paths: Sequence[str]) -> None:
    """Hold the streams of these paths open until the standard input ends."""
    opened = asyncio.Semaphore(0)
    asked_to_end = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    async with asyncio.TaskGroup() as group:
        pages = [group.create_task(follow(port, cookie, path, opened)) for path in paths]
        for _ in paths:
            await opened.acquire()
        print("open", flush=True)
        await asked_to_end
        for page in pages:
            page.cancel()


if __name__ == "__main__":
    asyncio.run(crowd(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
