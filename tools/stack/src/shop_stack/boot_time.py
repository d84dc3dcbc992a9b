"""When a process was started, by a clock that is not set: that of the machine since its boot."""

from __future__ import annotations

import os
from pathlib import Path

import psutil


def _boot() -> str | None:
    """Linux' name of the time since the machine was started; None where there is no /proc."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


BOOT = _boot()
"""The boot of this machine that this program runs in."""


def started(pid: int, boot: str | None) -> float | None:
    """When a process was started, in seconds: since `boot`, or since 1970 if the boot is not known.

    The time since 1970 moves when the machine's clock is set, the time since the boot does not.
    None if the machine was started again after `boot`.
    """
    if boot is None:
        return psutil.Process(pid).create_time()
    if boot != BOOT:
        return None
    behind_the_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(behind_the_name[19]) / os.sysconf("SC_CLK_TCK")
