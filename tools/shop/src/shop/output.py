"""The command's output. Its reader may close it early, as `head` does."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from shop_stack.errors import UserError


class OutputClosed(UserError):
    """The reader of the output has closed it. All further output is discarded."""


class GuardedOutput(io.TextIOWrapper):
    """Standard output that raises OutputClosed once, where Python raises BrokenPipeError at each write."""

    def write(self, text: str, /) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            raise self._closed() from None

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            raise self._closed() from None

    def _closed(self) -> OutputClosed:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        return OutputClosed(
            "The reader of the output has closed it, so the command ended early: run it again without the pipe."
        )


def guard() -> None:
    """Replace standard output by a guarded output."""
    plain = sys.stdout
    if isinstance(plain, io.TextIOWrapper) and not isinstance(plain, GuardedOutput):
        is_terminal = plain.isatty()
        encoding = plain.encoding
        sys.stdout = GuardedOutput(plain.detach(), encoding, "replace", line_buffering=is_terminal)


@contextmanager
def all_the_same(what_is_done: str) -> Iterator[None]:
    """If the reader closes the output in this context, say in the error what has been done."""
    try:
        yield
    except OutputClosed:
        raise OutputClosed(f"The reader of the output has closed it. {what_is_done}") from None
