"""Serves several modules in one process: `python -m chassis.group orders inventory`.

A module is a service that shares its process and its database with others (docs/decisions/0055). Its code is that of
the service. It keeps its two ports, so its clients find it as before.

GROUP_SETTINGS is a folder with a file `<module>.env` for each module: its variables, one `NAME=value` in a line. A
variable of the process counts for all modules, and has precedence over those files.
"""

import asyncio
import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis.handover import take
from chassis.observability.module import in_module
from chassis.server import allow_connections, management_server_of, serve_until
from chassis.service import Service
from chassis.tuning import garbage_collector

FOLDER = "GROUP_SETTINGS"


def main(modules: Sequence[str]) -> None:
    """Run these modules until SIGTERM, then shut all of them down.

    Exits with a sentence if no module is named, or if the variable of the settings is missing.
    """
    if not modules:
        sys.exit("chassis.group: name the modules, such as `python -m chassis.group orders inventory`")
    if FOLDER not in os.environ:
        sys.exit(
            f"chassis.group: {FOLDER} is missing: name the folder with a file of settings for each module"
        )
    serve_group([module_of(name, Path(os.environ[FOLDER])) for name in modules])


def module_of(name: str, folder: Path) -> Service:
    """The service of this name, as a module: with the settings of its file."""
    with in_module(name):
        settings = importlib.import_module(f"{name}.settings").Settings(_env_file=folder / f"{name}.env")
        create_service: Callable[[Any], Service] = importlib.import_module(f"{name}.main").create_service
        service = create_service(settings)
    return replace(
        service,
        asgi=OfModule(service.asgi, name),
        management_asgi=OfModule(service.management_asgi, name),
    )


class OfModule:
    """An ASGI app whose requests are handled for one module."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with in_module(self._name):
            await self._app(scope, receive, send)


def serve_group(services: Sequence[Service]) -> None:
    """Run services in this process until SIGTERM, then shut them down together."""
    settings = [service.settings for service in services]
    allow_connections(
        sum(each.http_max_connections + each.http_management_max_connections for each in settings)
    )
    if all(service.tuning.has("garbage_collector") for service in services):
        garbage_collector.collect_seldom()
    managements = [management_server_of(service) for service in services]
    with (
        suppress(KeyboardInterrupt),
        asyncio.Runner(loop_factory=managements[0].config.get_loop_factory()) as runner,
    ):
        runner.run(_serve_all(services, managements))


async def _serve_all(services: Sequence[Service], managements: Sequence[uvicorn.Server]) -> None:
    with _signalling(managements):
        async with asyncio.TaskGroup() as group:
            for service, management in zip(services, managements, strict=True):
                with in_module(service.settings.service_name):
                    group.create_task(_serve(service, management))


async def _serve(service: Service, management: uvicorn.Server) -> None:
    """Run one module. If it has a predecessor (HTTP_PREDECESSOR_SOCKET), it waits for that one's sockets first."""
    await serve_until(service, management, await take(service.settings.http_predecessor_socket))


@contextmanager
def _signalling(servers: Sequence[uvicorn.Server]) -> Iterator[None]:
    """While the block runs, SIGTERM and SIGINT end all servers."""

    def end(number: int, frame: Any) -> None:
        for server in servers:
            server.handle_exit(number, frame)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    main(sys.argv[1:])
