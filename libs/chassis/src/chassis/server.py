"""Serving: one service on its port until SIGTERM, and a graceful shutdown."""

import resource
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.runtime import DRAIN_SECONDS
from chassis.service import Service
from chassis.tuning import accept_queue, fast_refusals, garbage_collector, request_deadlines

OTHER_FILES = 512
"""File descriptors for everything except HTTP connections, such as databases and brokers."""


def serve(create_service: Callable[[], Service]) -> None:
    """Run a service until SIGTERM, then shut it down. `chassis/__init__.py` has the order and the time limits.

    Requests in progress have up to DRAIN_SECONDS. Then the lifespan of the app ends: see `Runtime.running`.
    """
    service = create_service()
    allow_connections(service.settings.http_max_connections)
    if service.tuning.has("garbage_collector"):
        garbage_collector.collect_seldom()
    with suppress(KeyboardInterrupt):
        server_of(service).run()


def allow_connections(number: int) -> None:
    """Raise the soft limit of open files, so that `number` HTTP connections and OTHER_FILES others can be open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def server_of(service: Service) -> uvicorn.Server:
    """The HTTP server of a service, not started yet."""
    config = uvicorn.Config(
        service.asgi,
        service.settings.http_host,
        service.settings.http_port,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(DRAIN_SECONDS),
        limit_concurrency=service.settings.http_max_connections,
        http=_parser_of(service),
    )
    if service.tuning.has("accept_queue"):
        return accept_queue.DrainingServer(config)
    return uvicorn.Server(config)


def _parser_of(service: Service) -> type[HttpToolsProtocol] | Literal["auto"]:
    """The parser of requests: uvicorn's own, with the changes of `chassis.tuning` that are in use."""
    parser = None
    if service.load_shedding is not None and service.tuning.has("fast_refusals"):
        parser = fast_refusals.protocol_for(service.load_shedding)
    if service.tuning.has("request_deadlines"):
        parser = request_deadlines.guarded(parser or HttpToolsProtocol)
    return parser or "auto"
