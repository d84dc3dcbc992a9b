"""The archive of Kafka's loaded classes (Java's AOT cache). With it a start takes half the time.

The first stop of a broker records it. A damaged one can end the JVM, so a start that fails deletes it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from shop_stack import kafka_security

QUIET = ("-Xlog:aot*=off", "-Xlog:cds*=off")
"""Without these the JVM writes about a damaged AOT cache into the log, although it starts without it."""


def keep(recorded: Path, cache: Path) -> None:
    """Copy a file into the cache, which may be on another filesystem. No reader sees an incomplete file."""
    cache.mkdir(parents=True, exist_ok=True)
    draft = cache / f"{recorded.name}.{os.getpid()}"
    try:
        shutil.copyfile(recorded, draft)
        draft.replace(cache / recorded.name)
    finally:
        draft.unlink(missing_ok=True)


def name(program: Sequence[str], jars: str) -> str:
    """The name of the archive that a `program`, Java and its options, makes of these jars."""
    release = Path(program[0]).parent.parent / "release"
    built_of = [release.read_text(), *program, jars, *kafka_security.properties("")]
    return f"kafka-{hashlib.sha256(repr(built_of).encode()).hexdigest()[:12]}.aot"
