"""Counts lines of a part's log that were written since a moment."""

from __future__ import annotations

from shop_stack.process import Daemon


def size(daemon: Daemon) -> int:
    """The present size of a log in bytes; 0 if there is none."""
    return daemon.log.stat().st_size if daemon.log.exists() else 0


def count(daemon: Daemon, since: int, words: str) -> int:
    """The lines with these words, behind the first `since` bytes of the log."""
    if not daemon.log.exists():
        return 0
    with daemon.log.open("rb") as stream:
        stream.seek(since)
        return sum(words.encode() in line for line in stream)
