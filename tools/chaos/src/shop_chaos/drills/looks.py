"""The first look at the shop in a drill. Each `shop` command imports this file, so it imports little."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from shop_stack.errors import UserError
from shop_stack.paths import state_folder

DIAGNOSTIC = frozenset(
    ("check", "dead-letters", "doctor", "logs", "outbox", "rights", "status", "trace", "watch", "why")
)
"""The `shop` commands that count as a look at the shop. The first one ends the time to detect."""


def folder() -> Path:
    """The folder of the drill's files."""
    return state_folder() / "drill"


def note_look(command: str | None) -> None:
    """Note the time of the first diagnostic command of a drill. Without effect if no drill is on."""
    if command not in DIAGNOSTIC or not folder().is_dir():
        return
    from shop_chaos.drills import record  # only in a drill: it imports all injectors

    with suppress(UserError, FileExistsError):  # a damaged drill must not disturb a diagnosis
        if (drill := record.read()) and drill.began:
            with (folder() / "first-look").open("x") as file:
                file.write(str(time.time()))


def first_look() -> float:
    """The time of the first diagnostic command; 0 if there was none."""
    try:
        return float((folder() / "first-look").read_text())
    except (OSError, ValueError):
        return 0.0
