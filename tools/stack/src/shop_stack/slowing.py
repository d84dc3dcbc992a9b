"""Slows one process down: freezes it and its children for a pause, lets them run for RUN_SECONDS, and so on.

    python -m shop_stack.slowing PID PAUSE_SECONDS

It ends when that process ends, or at SIGTERM. Then the process runs.
"""

from __future__ import annotations

import signal
import sys
import threading

import psutil

from shop_stack.hands import pause_family, resume_family

RUN_SECONDS = 0.05
"""Long enough to do some work between two pauses, short enough that most requests meet a pause."""


def slow_down(process: psutil.Process, pause: float, ended: threading.Event) -> None:
    """Freeze the process for `pause` seconds and let it run for RUN_SECONDS, until it ends or `ended` is set."""
    while process.is_running() and not ended.is_set():
        pause_family(process)
        try:
            ended.wait(pause)
        finally:
            resume_family(process)
        ended.wait(RUN_SECONDS)


def main() -> None:
    """Run until the process ends, or until SIGTERM."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    try:
        process = psutil.Process(int(sys.argv[1]))
    except psutil.NoSuchProcess:
        return
    slow_down(process, float(sys.argv[2]), ended)


if __name__ == "__main__":
    main()
