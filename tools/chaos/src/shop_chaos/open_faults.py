"""The faults that are in force now, each a file. They outlive the process that injected them.

A file is written before its fault is injected. So a runner that is killed at any moment leaves what `shop chaos
rollback` needs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shop_stack.errors import UserError
from shop_stack.paths import state_folder


@dataclass(frozen=True)
class OpenFault:
    """One injected fault, with what is needed to undo it."""

    fault: str
    """Its id in the catalogue."""
    injector: str
    arguments: Mapping[str, Any]
    before: Mapping[str, Any]
    """What was measured before the injection."""
    stack: str
    """The folder of the stack that has the fault; empty if the shop is no embedded stack."""
    base: int
    """The first port of this stack; 0 if there is none."""
    target: str = "embedded"
    """How the shop runs."""
    at: float = field(default_factory=time.time)
    """Seconds since the epoch."""

    @property
    def sentence(self) -> str:
        """The fault and its arguments, for people."""
        given = ", ".join(f"{name} {value}" for name, value in self.arguments.items())
        return f"{self.fault} ({given})" if given else self.fault


def folder() -> Path:
    """The folder of the files."""
    return state_folder() / "chaos" / "open"


def write(fault: OpenFault) -> Path:
    """Write a fault that is about to be injected. Returns its file."""
    folder().mkdir(parents=True, exist_ok=True)
    file = folder() / f"{time.time_ns()}.json"
    unfinished = file.with_suffix(".new")
    unfinished.write_text(json.dumps(asdict(fault)))
    return unfinished.replace(file)


def read_all() -> dict[Path, OpenFault]:
    """File → fault, in the order in which they were injected. Raises UserError for a file that says no fault."""
    return {file: _read(file) for file in sorted(folder().glob("*.json"))}


def _read(file: Path) -> OpenFault:
    try:
        return OpenFault(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        raise UserError(
            f"{file} is damaged, or of another version, and does not say which fault is in force: "
            "remove the shop with `shop down --wipe`, then delete the file."
        ) from None


def close(file: Path) -> None:
    """Forget a fault that was undone."""
    file.unlink(missing_ok=True)
