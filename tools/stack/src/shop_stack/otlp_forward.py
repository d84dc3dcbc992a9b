"""Sends the spans that the receiver has stored on to another receiver of OTLP over HTTP, such as Jaeger.

The receiver answers at once: a thread sends the bodies, in their order. While the other receiver is away they are lost
there, and no exporter of a service waits. The shop's own store has all of them.
"""

from __future__ import annotations

import http.client
import queue
import sys
import threading
from urllib.parse import urlsplit

PATH = "/v1/traces"
SECONDS = 5.0
"""How long one request may take."""
MOST_WAITING = 256
MOST_BYTES = 8 * 1024 * 1024
"""Bodies that wait to be sent: more are lost."""


class Forwarder:
    """The way to one other receiver."""

    def __init__(self, address: str) -> None:
        """`address` is an HTTP address without a path, such as http://jaeger:4318. Raises ValueError."""
        parts = urlsplit(address)
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
            raise ValueError(f"{address!r} is no address such as http://jaeger:4318")
        self._to = f"{parts.hostname}:{parts.port or 4318}"
        self._waiting: queue.Queue[tuple[bytes, bool]] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._held = 0
        self.lost = 0
        """Requests that the other receiver lacks since it was last reached."""
        threading.Thread(target=self._send_all, name="forward", daemon=True).start()

    @property
    def waiting(self) -> int:
        """Bodies that wait to be sent."""
        return self._waiting.qsize()

    def forward(self, body: bytes, gzip: bool) -> None:
        """Have one body sent. Returns at once."""
        with self._lock:
            fits = self._held + len(body) <= MOST_BYTES and not self._waiting.full()
            if fits:
                self._held += len(body)
                self._waiting.put_nowait((body, gzip))
            else:
                self.lost += 1

    def _send_all(self) -> None:
        while True:
            body, gzip = self._waiting.get()
            fault = _sent(self._to, body, gzip)
            with self._lock:
                self._held -= len(body)
                lost_before, self.lost = self.lost, self.lost + 1 if fault else 0
            if fault and not lost_before:
                tell(f"spans do not reach {self._to}: {fault}")
            if lost_before and not fault:
                tell(f"spans reach {self._to} again; it lacks {lost_before} requests")


def tell(sentence: str) -> None:
    """Print into the log of the receiver."""
    print(sentence, file=sys.stderr, flush=True)


def _sent(to: str, body: bytes, gzip: bool) -> str:
    """Send one body. Returns the reason if it was not taken."""
    headers = {"Content-Type": "application/x-protobuf", **({"Content-Encoding": "gzip"} if gzip else {})}
    # Exporters send every few seconds, so a connection of its own for each request costs little.
    connection = http.client.HTTPConnection(to, timeout=SECONDS)
    try:
        connection.request("POST", PATH, body, headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return "" if status == http.HTTPStatus.OK else f"it answers {status}"
