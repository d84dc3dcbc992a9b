"""Makes a process strike at one crash point. A process that a test starts does this; production code does not know it.

`child/sitecustomize.py` calls `install_from_environment` before the process imports anything of the shop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import MutableMapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tests.crash_points.nursery import MODULE, SOCKET, give_birth
from tests.crash_points.points import PACKAGE, REACH, marked

LOG = "CRASH_POINTS_LOG"
"""The variable that names the file to which the process writes each point that it reaches."""
ARMED = "CRASH_POINTS_ARMED"
"""The variable with `kind point occurrence`: at this occurrence of the point (1: the first) the process strikes."""
STRUCK = "! "
"""The beginning of the line that is written right before the strike."""
MOST_LOGGED = 200
"""How often a point is written to the log. More occurrences are not counted."""

KILL, CANCEL, FREEZE = "kill", "cancel", "freeze"
KINDS = (KILL, CANCEL, FREEZE)


class Injector:
    """Counts the points that this process reaches, and strikes at the armed one."""

    def __init__(self) -> None:
        self._log = -1
        self._kind, self._point, self._occurrence = "", "", 0
        self._counts: Counter[str] = Counter()

    def arm(self, log: Path, armed: str = "") -> None:
        """Write the points to `log` from now on, and strike at the point of `armed`, if it is not empty."""
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        if armed:
            self._kind, self._point, occurrence = armed.split()
            self._occurrence = int(occurrence)

    def reach(self, point: str, awaitable: Any = None) -> Any:
        """Called by the changed code at each point. Returns `awaitable`."""
        self._counts[point] += 1
        if self._counts[point] <= MOST_LOGGED:
            os.write(self._log, f"{point}\n".encode())
        if point == self._point and self._counts[point] == self._occurrence:
            os.write(self._log, f"{STRUCK}{point}\n".encode())
            strike(self._kind)
        return awaitable


def strike(kind: str) -> None:
    """Kill or freeze this process, or cancel the task that runs."""
    match kind:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "cancel":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        case _:
            raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")


class PointFinder(MetaPathFinder):
    """Finds the modules of the chassis as Python does, and gives them a loader that adds the points."""

    def __init__(self, injector: Injector) -> None:
        self._injector = injector

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of a module of the chassis; None for any other module."""
        if fullname.partition(".")[0] != PACKAGE:
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(fullname, path, target)):
                if type(spec.loader) is SourceFileLoader:
                    spec.loader = PointLoader(fullname, spec.loader.path, self._injector)
                return spec
        return None


class PointLoader(SourceFileLoader):
    """Compiles a module with its points. It neither reads nor writes compiled files."""

    def __init__(self, fullname: str, path: str, injector: Injector) -> None:
        super().__init__(fullname, path)
        self._injector = injector

    def get_code(self, fullname: str) -> CodeType:
        """The module's code with its points."""
        path = self.get_filename(fullname)
        tree, _ = marked(fullname, self.get_data(path))
        return compile(tree, path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        """Give the module the function that its points call, and run it."""
        vars(module)[REACH] = self._injector.reach
        super().exec_module(module)


def install_from_environment(environment: MutableMapping[str, str]) -> None:
    """Add the points to everything that this process imports of the chassis from now on, if LOG or SOCKET is set.

    With SOCKET it is a nursery (`nursery.py`), and this function returns in each process that it gives birth to.
    """
    if LOG not in environment and SOCKET not in environment:
        return
    injector = Injector()
    sys.meta_path.insert(0, PointFinder(injector))
    if SOCKET in environment:
        give_birth(environment[SOCKET], environment[MODULE])
    injector.arm(Path(environment[LOG]), environment.get(ARMED, ""))
