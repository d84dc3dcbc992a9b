"""Only one program of a clone injects or undoes faults at a time.

The lock belongs to the process, so it ends with a runner that is killed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from shop_stack.errors import UserError
from shop_stack.paths import state_folder


@contextmanager
def held() -> Iterator[None]:
    """Hold the lock. Raises UserError with the number of the process that holds it already."""
    file = state_folder() / "chaos" / "runner.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise UserError(
                f"Process {lock.read().strip()} carries out experiments in this clone: wait until it has ended, or "
                f"end it with Ctrl-C or `kill`. It then undoes its faults itself."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
