"""Makes the data folder of a killed server usable again: no process of that server may be left."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import psutil

from shop_stack.errors import UserError

PATIENCE = 30.0
"""Seconds that the other processes of a killed server may take to notice it and to end."""


async def released(data: Path, patience: float = PATIENCE) -> None:
    """Return when a new server can start on the data folder.

    The working directory of each server process is the data folder. If no such process is left, but the process id in
    `postmaster.pid` belongs to a zombie or to another program, the file is removed. Otherwise PostgreSQL would take
    that process for a running server and refuse to start.

    Raises UserError if a process of an earlier server does not end.
    """
    given_up = time.monotonic() + patience
    while holders := await asyncio.to_thread(_holders, data):
        if time.monotonic() > given_up:
            listed = ", ".join(map(str, holders))
            raise UserError(
                f"A PostgreSQL server that was started earlier still uses {data} (process {listed}): "
                "end it with `kill`, then try again. No data is lost by that."
            )
        await asyncio.sleep(0.05)
    lock = data / "postmaster.pid"
    if (pid := _pid_in(lock)) is not None and psutil.pid_exists(pid):
        lock.unlink(missing_ok=True)


def _holders(data: Path) -> list[int]:
    """The ids of the PostgreSQL processes whose working directory is the folder. A zombie has no working directory."""
    folder = str(data.resolve())
    return [
        process.pid
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["cwd"] == folder and process.info["name"].startswith("postgres")
    ]


def _pid_in(lock: Path) -> int | None:
    try:
        return abs(int(lock.read_text().split("\n", 1)[0]))
    except (OSError, ValueError):
        return None
