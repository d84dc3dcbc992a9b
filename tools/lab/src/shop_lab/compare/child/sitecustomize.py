"""Breaks the event handlers of one service. The code of the service does not know it.

Python runs this module when a process starts whose PYTHONPATH has this folder. COMPARE_FAULT names the service and the
fault: `payments raises`, or `notifications loops`. Each call of a broken handler adds a byte to the file that
COMPARE_STRUCK names.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any, NoReturn

FAULT, STRUCK = "COMPARE_FAULT", "COMPARE_STRUCK"


class Fault(RuntimeError):
    """The error of a broken handler."""


def _strike() -> None:
    with open(os.environ[STRUCK], "ab") as file:  # noqa: PTH123  a start without pathlib is as short as usual
        file.write(b".")


async def raises(*_: Any) -> NoReturn:
    """A handler that fails."""
    _strike()
    raise Fault("this handler was broken on purpose")


async def loops(*_: Any) -> NoReturn:
    """A handler that never returns, and never lets another task run."""
    _strike()
    while True:
        pass


BROKEN = {"raises": raises, "loops": loops}


NAMES = {"subscriptions": "SUBSCRIPTIONS", "commands": "COMMANDS"}
"""Module of a service → the name of the handlers in it: for events, and for commands of an orchestrator."""


class Finder(MetaPathFinder):
    """Finds the subscriptions of one service as Python does, and gives them a loader that breaks the handlers."""

    def __init__(self, service: str, fault: str) -> None:
        self._modules = {f"{service}.{module}" for module in NAMES}
        self._handler = BROKEN[fault]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of the subscriptions; None for any other module."""
        if fullname not in self._modules:
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(fullname, path, target)):
                assert isinstance(spec.loader, SourceFileLoader)
                spec.loader = Loader(fullname, spec.loader.path, self._handler)
                return spec
        return None


class Loader(SourceFileLoader):
    """Runs a module of subscriptions, and then replaces each handler."""

    def __init__(self, fullname: str, path: str, handler: Any) -> None:
        super().__init__(fullname, path)
        self._handler = handler

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, and break its handlers."""
        super().exec_module(module)
        by_type = vars(module)[NAMES[module.__name__.partition(".")[2]]].by_type
        for event, subscription in by_type.items():
            by_type[event] = subscription._replace(handler=self._handler)


if FAULT in os.environ:
    try:
        sys.meta_path.insert(0, Finder(*os.environ[FAULT].split()))
    except Exception:
        # Python would go on, and run the service without the fault.
        traceback.print_exc()
        os._exit(70)
