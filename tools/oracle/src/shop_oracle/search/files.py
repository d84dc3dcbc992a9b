"""Searches the files of a shop: spans, logs, the write-ahead log, the files of servers, and backups."""

from __future__ import annotations

import gzip
import mmap
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from shop_oracle.search.wanted import Place, Tally, Wanted
from shop_stack.errors import UserError
from shop_stack.otlp_receiver import records, segment_files
from shop_stack.stack_files import data_files

TEXTS = {".log", ".jsonl", ".json", ".sql", ".txt"}
"""The endings of files that are text. In other files, a short name is found only as a value or in quotes."""
OFFSETS = {".index", ".timeindex"}
"""The endings of Kafka's files that have numbers alone. Each has 10 MB, nearly all of them empty."""


def search_spans(folder: Path, wanted: Sequence[Wanted]) -> Place:
    """Search every stored request of spans."""
    tally = Tally("spans", "requests", wanted)
    for file in segment_files(folder):
        for body, zipped in records(file):
            with suppress(OSError, EOFError, zlib.error):  # the receiver stores bodies unread
                tally.look_at(gzip.decompress(body) if zipped else body, file.name)
    return tally.place


def search_stack(state: Path, wanted: Sequence[Wanted]) -> list[Place]:
    """Search every file of the embedded stack whose folder is `state`.

    Raises UserError if one may not be read.
    """
    tallies: dict[str, Tally] = {}
    for file in data_files(state):
        if file.suffix in OFFSETS:
            continue
        name = _place_of(file.relative_to(state))
        tally = tallies.setdefault(name, Tally(name, "bytes", wanted))
        _look_through(tally, file, str(file.relative_to(state)))
    return [tally.place for tally in tallies.values()]


def search_backup(path: Path, wanted: Sequence[Wanted]) -> Place:
    """Search a file or a folder. Raises UserError if it does not exist, or may not be read."""
    if not path.exists():
        raise UserError(f"{path} does not exist: name a file or a folder.")
    tally = Tally(f"backup {path}", "bytes", wanted)
    for file in _files_in(path):
        _look_through(tally, file, str(file))
    return tally.place


def _place_of(file: Path) -> str:
    match file.parts:
        case ("postgres", *folders) if "pg_wal" in folders:
            return "pg_wal"
        case ("postgres", *_):
            return "files of PostgreSQL"
        case ("kafka", *_):
            return "files of Kafka"
        case ("logs", *_):
            return f"log {file.stem}"
        case ("spans", *_):
            return "files of spans"
        case ("history", *_):
            return "histories of clients"
        case (name, *_) if name.startswith("issuer-"):
            return "files of the issuer"
        case _:
            return "other files of the stack"


def _look_through(tally: Tally, file: Path, where: str) -> None:
    try:
        if file.suffix in TEXTS:
            tally.look_through(file.read_bytes(), where, is_text=True)
        elif file.stat().st_size > 0:  # an empty file cannot be mapped
            with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
                tally.look_through(content, where, is_text=False)
    except FileNotFoundError:  # servers delete files at any time
        return
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} cannot be read ({error}): run the command as the user who started the shop."
        ) from None


def _files_in(path: Path) -> Iterable[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
