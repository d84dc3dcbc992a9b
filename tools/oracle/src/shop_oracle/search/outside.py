"""Searches the files and the logs of a shop in containers or on a cluster, as they are printed by its own programs."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO

from shop_oracle.search.files import Files
from shop_oracle.search.wanted import Place, Tally, Wanted
from shop_stack import outside_files
from shop_stack.errors import UserError
from shop_stack.paths import repository

MOST_AT_ONCE = 1 << 20
"""Bytes of a log that are searched together, about."""
CHANGED_MEANWHILE = 1
"""The exit code of tar if a file was changed or deleted while it was read."""


def search_outside(target: str, wanted: Sequence[Wanted]) -> list[Place]:
    """Search the logs, and the files of PostgreSQL, Kafka and the issuer. `target` is `compose` or `k8s`.

    Raises UserError if they cannot be read.
    """
    files = Files(wanted)
    for part, command in outside_files.archives(target).items():
        _search_archive(files, part, command)
    return [_search_logs(outside_files.logs(target), wanted), *files.places]


def _search_archive(files: Files, part: str, command: Sequence[str]) -> None:
    try:
        with _output_of(command) as (output, process):
            with tarfile.open(fileobj=output, mode="r|") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isfile() else None
                    if content is not None:
                        files.look_through(PurePosixPath(part, member.name), content.read())
            output.read()  # a program that can print all it has ends by itself
            code = process.wait()
    except (tarfile.TarError, OSError) as error:
        raise UserError(f"The files of {part} cannot be read ({error}): does {part} run?") from None
    if code > CHANGED_MEANWHILE:
        raise UserError(f"The files of {part} cannot be read (exit code {code}): does {part} run?")


def _search_logs(command: Sequence[str], wanted: Sequence[Wanted]) -> Place:
    tally = Tally("logs", "bytes", wanted)
    with _output_of(command) as (output, process):
        # Whole lines, so that a text is not divided.
        while lines := output.readlines(MOST_AT_ONCE):
            tally.look_through(b"".join(lines), "logs", is_text=True)
        code = process.wait()
    if code != 0:
        raise UserError(f"The logs cannot be read (exit code {code}): {' '.join(command[-6:])}")
    return tally.place


@contextmanager
def _output_of(command: Sequence[str]) -> Iterator[tuple[IO[bytes], subprocess.Popen[bytes]]]:
    """The standard output of a command, and its process, which ends with the context."""
    process = subprocess.Popen(
        command, cwd=repository(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    with process:
        try:
            yield process.stdout, process
        finally:
            process.kill()
