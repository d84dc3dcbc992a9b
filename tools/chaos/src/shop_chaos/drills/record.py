"""The files of a drill, in the folder of the stack.

The drill is on disk before its fault is injected, so that `shop drill stop` can undo it after every crash. Its text is
encoded: a casual look at the files must not show the fault. It is no secret from a person who decodes it.
"""

from __future__ import annotations

import base64
import json
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from shop_chaos.drills.looks import folder
from shop_chaos.drills.menu import Hidden
from shop_stack.errors import UserError
from shop_stack.process import Daemon


@dataclass
class Drill:
    """One drill. Times are seconds since the epoch."""

    seed: int
    started: float
    """When its customers came."""
    hidden: Mapping[str, Any]
    """The fields of its fault."""
    before: Mapping[str, Any]
    """What the injector measured before."""
    marks: Mapping[str, Any]
    """The data at the start (`marks.py`)."""
    processes: Mapping[str, str]
    """Part → its process at the start."""
    began: float = 0.0
    """When the fault was in force; 0 if it is not yet."""
    diagnosed: float = 0.0
    wrong_answers: int = 0
    hints: int = 0

    @property
    def fault(self) -> Hidden:
        """Its fault."""
        return Hidden(**self.hidden)


@dataclass
class Watched:
    """What the process in the background has seen."""

    placed: int = 0
    """Orders that were accepted."""
    starts: dict[str, int] = field(default_factory=dict)
    """Part → how many times it was started since the start of the drill."""
    bit: bool = False
    """Whether the fault was seen to have an effect."""
    cured: float = 0.0
    """When the fault was found undone; 0 if it is in force."""
    trouble: str = ""
    """Why the customers had to begin again; empty if they did not."""


def background() -> Daemon:
    """The process that places orders and watches."""
    return Daemon("background", folder())


def write(drill: Drill) -> None:
    """Write the drill."""
    _write("drill", asdict(drill))


def read() -> Drill | None:
    """The drill that is on; None if there is none. Raises UserError if its file is damaged."""
    facts = _read("drill")
    return None if facts is None else Drill(**facts)


def require() -> Drill:
    """The drill that is on. Raises UserError if there is none."""
    if (drill := read()) is None:
        raise UserError("No drill is on: `shop drill start` begins one.")
    return drill


def write_watched(watched: Watched) -> None:
    """Write what was seen."""
    _write("watched", asdict(watched))


def read_watched() -> Watched:
    """What the background has seen so far."""
    return Watched(**(_read("watched") or {}))


def forget() -> None:
    """Delete all files of the drill."""
    shutil.rmtree(folder(), ignore_errors=True)


def _write(name: str, facts: Mapping[str, Any]) -> None:
    folder().mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = folder() / f"{name}.new"
    unfinished.write_bytes(base64.b64encode(zlib.compress(json.dumps(facts).encode())))
    unfinished.replace(folder() / name)


def _read(name: str) -> dict[str, Any] | None:
    file = folder() / name
    try:
        facts: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(file.read_bytes())))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, zlib.error):
        raise UserError(
            f"{file} is damaged: delete the folder {folder()}, then `shop down --wipe`."
        ) from None
    return facts
