"""Searches the files of a shop: spans, logs, the write-ahead log, the files of servers, and backups."""

from __future__ import annotations

import gzip
import mmap
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath

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
    files = Files(wanted)
    for file in data_files(state):
        with _content_of(file) as content:
            files.look_through(file.relative_to(state), content)
    return files.places


def search_backup(path: Path, wanted: Sequence[Wanted]) -> Place:
    """Search a file or a folder. Raises UserError if it does not exist, or may not be read."""
    if not path.exists():
        raise UserError(f"{path} does not exist: name a file or a folder.")
    tally = Tally(f"backup {path}", "bytes", wanted)
    for file in _files_in(path):
        with _content_of(file) as content:
            tally.look_through(content, str(file), file.suffix in TEXTS)
    return tally.place


class Files:
    """Searches files of a shop, and tells which place each belongs to."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self._wanted = wanted
        self._tallies: dict[str, Tally] = {}

    def look_through(self, file: PurePath, content: bytes | mmap.mmap) -> None:
        """Search a file. The first part of its path is the part of the shop, such as `postgres`."""
        if file.suffix in OFFSETS:
            return
        name = _place_of(file)
        tally = self._tallies.setdefault(name, Tally(name, "bytes", self._wanted))
        tally.look_through(content, str(file), file.suffix in TEXTS)

    @property
    def places(self) -> list[Place]:
        return [tally.place for tally in self._tallies.values()]


def _place_of(file: PurePath) -> str:
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
        case (name, *_) if name.startswith("issuer"):
            return "files of the issuer"
        case _:
            return "other files of the stack"


@contextmanager
def _content_of(file: Path) -> Iterator[bytes | mmap.mmap]:
    """The content of a file. It is empty if the file was deleted meanwhile: servers do so at any time."""
    try:
        if file.suffix in TEXTS or file.stat().st_size == 0:  # an empty file cannot be mapped
            content: bytes | mmap.mmap = file.read_bytes()
        else:
            with file.open("rb") as stream:
                content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        content = b""
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} cannot be read ({error}): run the command as the user who started the shop."
        ) from None
    yield content
    if isinstance(content, mmap.mmap):
        content.close()


def _files_in(path: Path) -> Iterable[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
