"""Find the broker's jars, download those that are missing, compare each with its hash, and print the class path.

    python -m shop_stack.classpath          fails if a jar does not have its hash in kafka-jars.sha256
    python -m shop_stack.classpath --lock   writes kafka-jars.sha256 again, for another version of Kafka

It runs as a process of its own, so that a download can be cancelled by ending the process.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Exactly one coordinate. With kafka-tools as a second one, jgo would choose clients of an older Kafka.
COORDINATE = "org.apache.kafka:kafka_2.13:4.3.1"
HASHES = Path(__file__).with_name("kafka-jars.sha256")
DOWNLOADS_AT_ONCE = 8


class UnknownJar(Exception):
    """A jar is not one of the locked jars, or a locked jar is missing. The message says which, and what to do."""


def main() -> int:
    try:
        with HASHES.open() as turns:
            # Two stacks that start at the same time share one download. Without the lock, one could read half a jar.
            fcntl.flock(turns, fcntl.LOCK_EX)
            jars = resolved()
            if sys.argv[1:] == ["--lock"]:
                lock(jars)
            verify(jars, locked())
    except (OSError, RuntimeError, UnknownJar) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(os.pathsep.join(map(str, jars)))
    return 0


def resolved() -> list[Path]:
    """The jars in the order of the class path. Raises OSError or RuntimeError if one cannot be downloaded."""
    import jgo

    logging.disable(logging.WARNING)
    artifacts = jgo.resolve(COORDINATE)
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        return list(pool.map(lambda artifact: Path(artifact.resolve()), artifacts))


def lock(jars: Sequence[Path]) -> None:
    """Write the hashes of these jars into kafka-jars.sha256."""
    lines = [f"{hash_of(jar)}  {jar.name}\n" for jar in sorted(jars, key=lambda jar: jar.name)]
    HASHES.write_text("".join(lines))


def verify(jars: Sequence[Path], hashes: Mapping[str, str]) -> None:
    """Raise UnknownJar unless these are exactly the locked jars, with the locked hashes."""
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        found = dict(zip(jars, pool.map(hash_of, jars), strict=True))
    for jar, digest in found.items():
        if hashes.get(jar.name) != digest:
            raise UnknownJar(
                f"{jar} does not have the locked hash: delete it, so that it is downloaded again"
            )
    if missing := hashes.keys() - {jar.name for jar in jars}:
        raise UnknownJar(f"{', '.join(sorted(missing))} is locked, but {COORDINATE} no longer contains it")


def locked() -> dict[str, str]:
    """Name of a jar → its locked SHA-256 in hexadecimal."""
    pairs = (line.split() for line in HASHES.read_text().splitlines())
    return {name: digest for digest, name in pairs}


def hash_of(jar: Path) -> str:
    with jar.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
