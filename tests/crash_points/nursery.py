"""A process that has imported a service, and gives birth to processes that run it. The imports are most of a start.

`child/sitecustomize.py` runs it before Python runs the service's main module. A new process returns from `give_birth`,
and Python runs the main module in it, as after any other start. The code imports only the standard library.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

SOCKET = "CRASH_POINTS_NURSERY"
"""The variable that names the Unix socket at which the process waits for requests."""
MODULE = "CRASH_POINTS_MODULE"
"""The variable that names the main module."""
MOST_BYTES = 1 << 16
"""The longest request."""


def give_birth(path: str, module: str) -> None:
    """Import the main module, and start a process for each request. Returns only in such a process.

    A request is the environment of the process as JSON. The answer is its pid.
    """
    importlib.import_module(module)
    del sys.modules[module]  # Python is going to run it as the main module
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended processes leave no zombies
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"{path}.new")
        listener.listen()
        Path(f"{path}.new").rename(path)  # from now on it is answered
        while True:
            asking, _ = listener.accept()
            with asking:
                environment = json.loads(asking.recv(MOST_BYTES))
                if (pid := os.fork()) == 0:
                    break
                asking.send(str(pid).encode())
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)


def ask_for_process(path: Path, environment: Mapping[str, str]) -> int:
    """Have the nursery at a socket start a process with this environment. Returns its pid. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
        asking.settimeout(30)
        asking.connect(str(path))
        asking.send(json.dumps(dict(environment)).encode())
        return int(asking.recv(MOST_BYTES))
