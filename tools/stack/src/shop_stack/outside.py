"""Functions for a shop that is reached through another program: run the program, copy the spans, tell a monolith."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shop_stack.errors import UserError
from shop_stack.kafka_access import KafkaAccess
from shop_stack.ports import SERVICES
from shop_stack.shapes import MONOLITH, Shape
from shop_stack.target import TargetMissing

NO_KAFKA = KafkaAccess("none")
"""A monolith has no broker."""
MIRRORED_EVERY = 3.0
"""Seconds between two copies of the spans."""


def program(name: str) -> str:
    """The path of a program. Raises TargetMissing if it is not on the PATH."""
    found = shutil.which(name)
    if found is None:
        raise TargetMissing(f"There is no {name} on the PATH: install it, or choose another --target.")
    return found


def output_of(
    command: Sequence[str], asked: str, *, stdin: str | None = None, cwd: Path | None = None
) -> str:
    """Run a command and return its output. Raises UserError with its error output; `asked` names the command in it."""
    done = subprocess.run(command, input=stdin, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"{asked} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


def monolith_with(modules: str, where: str, remedy: str) -> Shape:
    """The shape of a monolith. `modules` are those of its LOCAL_MODULES.

    Raises TargetMissing if a service is not one of them. `where` and `remedy` are parts of its message.
    """
    if missing := [name for name in SERVICES if name not in modules.split(",")]:
        raise TargetMissing(f"The monolith {where} has no module {', '.join(missing)}: {remedy}")
    return Shape.parse(MONOLITH)


@contextmanager
def mirrored_spans(folder: Path, copy: Callable[[], object]) -> Iterator[None]:
    """Keep a copy of the receiver's spans in `folder`, some seconds old, for as long as the context lasts.

    `copy` copies them. It must leave the last copy as it is if the receiver is unavailable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    closing = threading.Event()

    def mirror() -> None:
        while not closing.wait(MIRRORED_EVERY):
            copy()

    mirroring = threading.Thread(target=mirror, daemon=True)
    mirroring.start()
    try:
        yield
    finally:
        closing.set()
        mirroring.join()
