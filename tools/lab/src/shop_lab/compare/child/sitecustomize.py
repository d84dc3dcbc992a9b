"""Breaks the event handlers of one service. The code of the service does not know it.

Python runs this module when a process starts whose PYTHONPATH has this folder. COMPARE_FAULT names the service and the
fault, such as `payments raises`. BROKEN has all faults. Each call of a broken handler adds a byte to the file that
COMPARE_STRUCK names.
"""

import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
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


Handler = Callable[[Any, Any], Awaitable[None]]
LEAK = 16 * 2**20
"""Bytes that a leaking handler keeps for each event."""
LIMIT = 512 * 2**20
"""Bytes of a leak at which the process is killed, as a kernel does at the memory limit of a container."""
SLOW_QUERY = "SELECT count(*) FROM generate_series(1, 4000000)"
"""A query that reads far too much: PostgreSQL computes for about half a second."""

_kept: list[bytes] = []


def raises(_: Handler) -> Handler:
    """A handler that fails."""

    async def raising(tx: Any, events: Any) -> NoReturn:
        _strike()
        raise Fault("this handler was broken on purpose")

    return raising


def loops(_: Handler) -> Handler:
    """A handler that never returns, and never lets another task run."""

    async def looping(tx: Any, events: Any) -> NoReturn:
        _strike()
        while True:
            pass

    return looping


def leaks(handler: Handler) -> Handler:
    """A handler that does its work, and keeps memory. At LIMIT the process is killed."""

    async def leaking(tx: Any, events: Any) -> None:
        _strike()
        _kept.extend(b"." * LEAK for _ in events)
        if len(_kept) * LEAK >= LIMIT:
            os.kill(os.getpid(), signal.SIGKILL)
        await handler(tx, events)

    return leaking


def queries(handler: Handler) -> Handler:
    """A handler that does its work after a slow query, in the same transaction."""

    async def querying(tx: Any, events: Any) -> None:
        _strike()
        await tx.connection.execute(sqlalchemy_text(SLOW_QUERY))
        await handler(tx, events)

    return querying


def sqlalchemy_text(statement: str) -> Any:
    """A statement for the connections of the chassis. The import waits until a service has made it anyway."""
    from sqlalchemy import text

    return text(statement)


BROKEN: dict[str, Callable[[Handler], Handler]] = {
    "raises": raises,
    "loops": loops,
    "leaks": leaks,
    "queries": queries,
}
"""Name of a fault → what makes a broken handler out of a handler."""

NAMES = {"subscriptions": "SUBSCRIPTIONS", "commands": "COMMANDS"}
"""Module of a service → the name of the handlers in it: for events, and for commands of an orchestrator."""


class Finder(MetaPathFinder):
    """Finds the subscriptions of one service as Python does, and gives them a loader that breaks the handlers."""

    def __init__(self, service: str, fault: str) -> None:
        self._modules = {f"{service}.{module}" for module in NAMES}
        self._breaks = BROKEN[fault]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The specification of the subscriptions; None for any other module."""
        if fullname not in self._modules:
            return None
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(fullname, path, target)):
                assert isinstance(spec.loader, SourceFileLoader)
                spec.loader = Loader(fullname, spec.loader.path, self._breaks)
                return spec
        return None


class Loader(SourceFileLoader):
    """Runs a module of subscriptions, and then replaces each handler."""

    def __init__(self, fullname: str, path: str, breaks: Callable[[Handler], Handler]) -> None:
        super().__init__(fullname, path)
        self._breaks = breaks

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, and break its handlers."""
        super().exec_module(module)
        by_type = vars(module)[NAMES[module.__name__.partition(".")[2]]].by_type
        for event, subscription in by_type.items():
            by_type[event] = subscription._replace(handler=self._breaks(subscription.handler))


if FAULT in os.environ:
    try:
        sys.meta_path.insert(0, Finder(*os.environ[FAULT].split()))
    except Exception:
        # Python would go on, and run the service without the fault.
        traceback.print_exc()
        os._exit(70)
