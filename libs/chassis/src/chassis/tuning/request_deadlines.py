"""Deadlines and a size limit for requests, in the HTTP parser.

Kind: guard. Sets limits that uvicorn does not have.
What it does: a subclass of uvicorn's HttpToolsProtocol answers 408 to a request whose headers are not there in time,
and 431 to headers that are too large. It closes connections that send nothing, that do not finish a body although the
answer was sent, or that do not read their answer. A request that arrives in one piece starts no timer of its own. Each
connection starts one.
Why: uvicorn has a deadline for idle connections only.
Without it: a client that sends a byte now and then, or does not read, keeps its connection for ever.
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
"""The maximum number of bytes of the request line and all headers together."""
MAX_PIPELINED = 16
"""The maximum number of requests of a connection that wait for the answer to an earlier one."""
MAX_FRAMING_BYTES = 512 * 1024
"""The maximum number of bytes of a body that are not data: lengths and extensions of chunks, and trailers, which are
dropped."""
REST_SECONDS = 20.0
"""Seconds from the headers to the end of the body. The app's limit is shorter (`body_seconds`)."""
WRITE_SECONDS = 20.0
"""Seconds for which a client may read no byte of its answer."""

TOO_LATE_ANSWER = problem_response(
    TOO_SLOW, detail=f"The headers did not arrive within {HEADER_SECONDS:g} s."
)
TOO_LARGE_ANSWER = problem_response(
    HEADERS_TOO_LARGE, detail=f"At most {MAX_HEADER_BYTES} bytes of headers are accepted."
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
            self._data_bytes = 0
            self._framing_bytes = 0
            self._is_given_up = False
            self._read_timer: TimerHandle | None = None
            self._write_timer: TimerHandle | None = None
            self._close_timer: TimerHandle | None = None
            self._start_reading(HEADER_SECONDS, self._headers_are_late)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_reading()
            self.resume_writing()
            if self._close_timer is not None:
                self._close_timer.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._is_given_up:
                return
            self._has_headers = False
            self._data_bytes = 0
            super().data_received(data)
            if self._is_given_up:
                return
            if self._in_body and not self._has_headers:  # all of it belongs to this body
                self._framing_bytes += len(data) - self._data_bytes
            if self._in_headers and not self._has_headers:  # all of it belongs to these headers
                self._header_bytes += len(data)
            if self._in_headers and self._header_bytes > MAX_HEADER_BYTES:
                self._give_up(TOO_LARGE_ANSWER)
            elif self._in_headers:
                self._start_reading(HEADER_SECONDS, self._headers_are_late)
            elif self._framing_bytes > MAX_FRAMING_BYTES:
                self._close()
            elif self._in_body:
                self._start_reading(REST_SECONDS, self._close)
            elif self._is_idle():
                self._start_reading(HEADER_SECONDS, self._close)
            else:
                self._stop_reading()

        def on_message_begin(self) -> None:
            if self._is_given_up:
                return
            if len(self.pipeline) >= MAX_PIPELINED:
                self._close_after_last_answer()
                return
            self._in_headers = True
            super().on_message_begin()

        def on_url(self, url: bytes) -> None:
            if self._in_headers:
                super().on_url(url)

        def on_header(self, name: bytes, value: bytes) -> None:
            if self._in_headers:
                super().on_header(name, value)

        def on_headers_complete(self) -> None:
            if not self._in_headers:
                return
            self._in_headers = False
            self._has_headers = True
            self._in_body = True
            self._header_bytes = 0
            self._framing_bytes = 0
            self._stop_reading()
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if size > MAX_HEADER_BYTES:
                self._give_up(TOO_LARGE_ANSWER)
            else:
                super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._data_bytes += len(body)
            if not self._is_given_up:
                super().on_body(body)

        def on_message_complete(self) -> None:
            self._in_body = False
            if not self._is_given_up:
                super().on_message_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self.transport.is_closing():
                self._abort_if_not_read()

        def send_400_response(self, msg: str) -> None:
            if self._is_given_up:
                return
            if self._is_answering() and not self._in_body:  # an answer now would be taken for an earlier one
                self._close_after_last_answer()
                return
            super().send_400_response(msg)
            self._close()

        def timeout_keep_alive_handler(self) -> None:
            super().timeout_keep_alive_handler()
            self._abort_if_not_read()

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
            return not self._is_answering() and self.timeout_keep_alive_task is None

        def _is_answering(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

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
            if self._is_answering():
                self._close_after_last_answer()
                return
            self.transport.write(_bytes_of(answer, self.server_state.default_headers))
            self._close()

        def _close_after_last_answer(self) -> None:
            self._is_given_up = True
            self._stop_reading()
            self.cycle.keep_alive = False

        def _close(self) -> None:
            self._is_given_up = True
            self._stop_reading()
            self.transport.close()
            self._abort_if_not_read()

        def _abort_if_not_read(self) -> None:
            """A transport closes when all is written: end it if the client does not read."""
            if self._close_timer is None and self.transport.get_write_buffer_size():
                self._close_timer = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    return Guarded


def _bytes_of(answer: Response, default_headers: Any) -> bytes:
    lines = [b"%b: %b" % header for header in (*default_headers, *answer.raw_headers)]
    return b"\r\n".join((STATUS_LINE[answer.status_code].rstrip(b"\r\n"), *lines, b"", bytes(answer.body)))
