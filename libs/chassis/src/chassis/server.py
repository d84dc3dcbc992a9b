"""Serving: one service at the ports of its role until SIGTERM, and a graceful shutdown.

The public port has the routes of the service. The management port has probes, metrics and the admin API. Both are
served by one event loop, with limits of their own. A process with the role `worker` has the management port alone.

A process that replaces another one takes that one's listening sockets (`chassis.handover`). While it starts, it answers
only at its own management port. Then it also accepts connections at both ports of the process that it replaces.
"""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.handover import Listeners, ReceivedSockets, offered, take
from chassis.runtime import DRAIN_SECONDS
from chassis.service import Service
from chassis.tuning import accept_queue, fast_refusals, garbage_collector, request_deadlines, seldom_ticks
from chassis.web.context import Phase

OTHER_FILES = 512
"""File descriptors for everything except HTTP connections, such as databases and brokers."""
HEADERS = [("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]
"""Headers of every answer: a browser must not guess another content type, and no cache may keep the answer."""
MANAGEMENT_DRAIN_SECONDS = 1.0
"""Time limit for requests in progress on the management port, after all other parts have ended."""
CONNECTIONS = 4
"""Connections to the database that a process opens before it accepts the connections of the one that it replaces."""
CONNECTIONS_SECONDS = 3.0
PUBLIC = "public"
MANAGEMENT = "management"


def serve(create_service: Callable[[], Service]) -> None:
    """Run a service until SIGTERM, then shut it down. `chassis/__init__.py` has the order and the time limits."""
    service = create_service()
    settings = service.settings
    allow_connections(settings.http_max_connections + settings.http_management_max_connections)
    if service.tuning.has("garbage_collector"):
        garbage_collector.collect_seldom()
    management = management_server_of(service)
    with (
        suppress(KeyboardInterrupt),
        asyncio.Runner(loop_factory=management.config.get_loop_factory()) as runner,
    ):
        runner.run(serve_until_signal(service, management))


async def serve_until_signal(service: Service, management: uvicorn.Server) -> None:
    """Run a service until `management`, the server of its management port, has got a signal. Then shut it down.

    Each part ends in the reverse of the order in which it started. So the management port is open until all other parts
    have ended. If another process has taken the sockets, it answers at the management port from the signal on.

    Raises SystemExit if a port is in use, or if the process to replace gives no sockets.
    """
    service.context.process.phase = Phase.STARTING
    taken = await take(service.settings.http_predecessor_socket)
    with management.capture_signals():
        await serve_until(service, management, taken)


async def serve_until(service: Service, management: uvicorn.Server, taken: ReceivedSockets) -> None:
    """Run a service until the server of its management port should exit. Then shut the service down.

    `taken` are the sockets of the process that this one replaces.
    """
    process = service.context.process
    process.phase = Phase.STARTING
    settings = service.settings
    public = None if settings.role == "worker" else server_of(service)
    async with AsyncExitStack() as parts:
        parts.callback(taken.close)
        ended = await parts.enter_async_context(accepting(management))
        await parts.enter_async_context(service.runtime.running())
        if taken.sockets:
            await open_connections(service)
        if public is not None:
            await parts.enter_async_context(accepting(public, taken.sockets.get(PUBLIC)))
        process.phase = Phase.SERVING
        own = _listeners(management, public, taken)
        await _accept_also(management, taken.sockets.get(MANAGEMENT, ()))
        offer = await parts.enter_async_context(offered(own, settings.http_handover_socket))
        await ended
        process.phase = Phase.ENDING
        if offer.has_successor:
            _stop_accepting(management)


@asynccontextmanager
async def accepting(
    server: uvicorn.Server, sockets: Sequence[socket.socket] | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """Accept connections while the block runs, then answer the requests in progress, within the server's time limit.

    `sockets` are listening sockets to use instead of the server's own port. Gives a task that ends when the server has
    got a signal. Raises SystemExit if the port is in use.
    """
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(None if sockets is None else list(sockets))
    loop = asyncio.create_task(server.main_loop())
    try:
        yield loop
    finally:
        server.should_exit = True
        await loop
        await server.shutdown()


async def open_connections(service: Service) -> None:
    """Open connections to the database before the first request.

    In the accept queue of a process that is replaced many requests may wait. They would all open connections at once.
    If the database does not answer, the process goes on: its requests are answered 503.
    """
    checks = [service.context.database.check(CONNECTIONS_SECONDS) for _ in range(CONNECTIONS)]
    await asyncio.gather(*checks, return_exceptions=True)


async def _accept_also(server: uvicorn.Server, sockets: Sequence[socket.socket]) -> None:
    """Have a server that runs accept the connections of more listening sockets."""
    config = server.config
    protocol: Any = config.http_protocol_class
    create_protocol = partial(protocol, config, server.server_state, server.lifespan.state)
    loop = asyncio.get_running_loop()
    for listener in sockets:
        more = await loop.create_server(create_protocol, sock=listener, backlog=config.backlog)
        server.servers.append(more)


def _stop_accepting(server: uvicorn.Server) -> None:
    """Close this process's descriptors of the listening sockets. Connections stay open."""
    for listening in server.servers:
        listening.close()


def _listeners(
    management: uvicorn.Server, public: uvicorn.Server | None, taken: ReceivedSockets
) -> Listeners:
    """The listening sockets for a successor: those at the known ports, and not an additional management port."""
    known = {MANAGEMENT: taken.sockets.get(MANAGEMENT) or _sockets_of(management)}
    return known if public is None else {**known, PUBLIC: _sockets_of(public)}


def _sockets_of(server: uvicorn.Server) -> Sequence[Any]:
    return [listener for listening in server.servers for listener in listening.sockets]


def allow_connections(number: int) -> None:
    """Raise the soft limit of open files, so that `number` HTTP connections and OTHER_FILES others can be open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def server_of(service: Service) -> uvicorn.Server:
    """The HTTP server of a service's public port, not started yet."""
    settings = service.settings
    config = _config(
        service.asgi,
        host=settings.http_host,
        port=settings.http_port,
        timeout_graceful_shutdown=int(DRAIN_SECONDS),
        limit_concurrency=settings.http_max_connections,
        http=_parser_of(service),
    )
    plain = uvicorn.Server
    if service.tuning.has("accept_queue"):
        plain = accept_queue.draining_for(settings.http_announce_close_seconds)
    return _server_class(plain, service)(config)


def management_server_of(service: Service) -> uvicorn.Server:
    """The HTTP server of a service's management port, not started yet.

    It has no load shedding. With HTTP_MANAGEMENT_MAX_CONNECTIONS open connections it answers 503.
    """
    settings = service.settings
    config = _config(
        service.management_asgi,
        host=settings.http_management_host,
        port=settings.http_management_port,
        timeout_graceful_shutdown=int(MANAGEMENT_DRAIN_SECONDS),
        limit_concurrency=settings.http_management_max_connections,
        http=_guarded(None, service) or "auto",
    )
    return _server_class(uvicorn.Server, service)(config)


def _server_class(plain: type[uvicorn.Server], service: Service) -> type[uvicorn.Server]:
    return seldom_ticks.ticking_seldom(plain) if service.tuning.has("seldom_ticks") else plain


def _config(app: ASGIApp, **of_port: Any) -> uvicorn.Config:
    """The configuration of a server: what both ports have in common, and the arguments of one port."""
    return uvicorn.Config(
        app,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=HEADERS,
        **of_port,
    )


def _parser_of(service: Service) -> type[HttpToolsProtocol] | Literal["auto"]:
    """The parser of public requests: uvicorn's own, with the changes of `chassis.tuning` that are in use."""
    parser = None
    if service.load_shedding is not None and service.tuning.has("fast_refusals"):
        parser = fast_refusals.protocol_for(service.load_shedding)
    return _guarded(parser, service) or "auto"


def _guarded(parser: type[HttpToolsProtocol] | None, service: Service) -> type[HttpToolsProtocol] | None:
    if service.tuning.has("request_deadlines"):
        return request_deadlines.guarded(parser or HttpToolsProtocol)
    return parser
