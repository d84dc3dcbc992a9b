"""Deadlines and a size limit for requests, in the HTTP parser.

Kind: guard. Sets limits that uvicorn does not have.
What it does: a subclass of uvicorn's HttpToolsProtocol answers 408 to a request whose headers are not there in time,
and 431 to headers that are too large. It closes connections that send nothing, that never end a body after their
answer, or that do not read their answer. A request that arrives in one piece starts no timer of its own. Each
connection starts one.
Why: uvicorn has a deadline for idle connections only.
Without it: a client that sends a byte now and then, or does not read, keeps its connection for ever. While an answer is
in progress the load shedding counts it, too.
Can be removed when: uvicorn has such settings (github.com/encode/uvicorn, "header read timeout"). Observed with
uvicorn 0.54.
"""

from asyncio import TimerHandle, Transport
from collections.abc import Callable
from typing import Any

from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from chassis.web.problems import HEADERS_TOO_LARGE, TOO_SLOW, problem_response

HEADER_SECONDS = 10.0
"""Seconds from the first byte, or from the connection, to the end of the headers."""
MAX_HEADER_BYTES = 32 * 1024
"""The most bytes of the request line and all headers together."""
REST_SECONDS = 20.0
"""Seconds from the headers to the end of the body. The app's limit is shorter (`body_seconds`)."""
WRITE_SECONDS = 20.0
"""Seconds for which a client may read no byte of its answer."""

TOO_LATE_ANSWER = problem_response(TOO_SLOW, detail=f"Its headers were not there after {HEADER_SECONDS:g} s.")
TOO_LARGE_ANSWER = problem_response(
    HEADERS_TOO_LARGE, detail=f"At most {MAX_HEADER_BYTES} bytes of headers are taken."
)


def guarded(base: type[HttpToolsProtocol]) -> type[HttpToolsProtocol]:
    """A subclass of uvicorn's protocol with deadlines. A connection that was given up ignores further bytes."""

    class Guarded(base):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: Transport) -> None:
            super().connection_made(transport)
            self._in_headers = True
            self._has_headers = False
            self._in_body = False
            self._header_bytes = 0
            self._is_given_up = False
            self._read_timer: TimerHandle | None = None
            self._write_timer: TimerHandle | None = None
            self._start_reading(HEADER_SECONDS, self._headers_are_late)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_reading()
            self.resume_writing()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._is_given_up:
                return
            self._has_headers = False
            super().data_received(data)
            if self._in_headers and not self._has_headers:  # all of it belongs to these headers
                self._header_bytes += len(data)
            if self._in_headers and self._header_bytes > MAX_HEADER_BYTES:
                self._give_up(TOO_LARGE_ANSWER)
            elif self._in_headers:
                self._start_reading(HEADER_SECONDS, self._headers_are_late)
            elif self._in_body:
                self._start_reading(REST_SECONDS, self._close)
            elif self._is_idle():
                self._start_reading(HEADER_SECONDS, self._close)
            else:
                self._stop_reading()

        def on_message_begin(self) -> None:
            self._in_headers = True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._in_headers = False
            self._has_headers = True
            self._in_body = True
            self._header_bytes = 0
            self._stop_reading()
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > MAX_HEADER_BYTES:
                self._give_up(TOO_LARGE_ANSWER)
            else:
                super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            if not self._is_given_up:
                super().on_body(body)

        def on_message_complete(self) -> None:
            self._in_body = False
            if not self._is_given_up:
                super().on_message_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._write_timer = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

        def resume_writing(self) -> None:
            if self._write_timer is not None:
                self._write_timer.cancel()
                self._write_timer = None
            super().resume_writing()

        def _is_idle(self) -> bool:
            """Whether no request is under way, and uvicorn's own deadline for idle connections does not run."""
            has_answered = self.cycle is None or self.cycle.response_complete
            return has_answered and self.timeout_keep_alive_task is None

        def _start_reading(self, seconds: float, is_late: Callable[[], None]) -> None:
            if self._read_timer is None:
                self._read_timer = self.loop.call_later(seconds, is_late)

        def _stop_reading(self) -> None:
            if self._read_timer is not None:
                self._read_timer.cancel()
                self._read_timer = None

        def _headers_are_late(self) -> None:
            if self._header_bytes:
                self._give_up(TOO_LATE_ANSWER)
            else:
                self._close()

        def _give_up(self, answer: Response) -> None:
            """Answer, unless an earlier request of this connection is not answered yet, and close."""
            self._is_given_up = True
            self._stop_reading()
            if self.cycle is not None and not self.cycle.response_complete:
                self.cycle.keep_alive = False  # its answer closes the connection
                return
            self.transport.write(_bytes_of(answer, self.server_state.default_headers))
            self.transport.close()

        def _close(self) -> None:
            self._is_given_up = True
            self.transport.close()

    return Guarded


def _bytes_of(answer: Response, default_headers: Any) -> bytes:
    lines = [b"%b: %b" % header for header in (*default_headers, *answer.raw_headers)]
    return b"\r\n".join((STATUS_LINE[answer.status_code].rstrip(b"\r\n"), *lines, b"", bytes(answer.body)))
