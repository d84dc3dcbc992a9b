"""Serving: one service on its port until SIGTERM, and a graceful shutdown."""

from collections.abc import Callable
from contextlib import suppress

import uvicorn

from chassis.runtime import DRAIN_SECONDS
from chassis.service import Service
from chassis.tuning import accept_queue, fast_refusals, garbage_collector


def serve(create_service: Callable[[], Service]) -> None:
    """Run a service until SIGTERM. Then it answers the requests that it has, drains its consumer, and ends."""
    service = create_service()
    if service.tuning.has("garbage_collector"):
        garbage_collector.collect_seldom()
    with suppress(KeyboardInterrupt):
        server_of(service).run()


def server_of(service: Service) -> uvicorn.Server:
    """The HTTP server of a service, not started yet."""
    config = uvicorn.Config(
        service.asgi,
        service.settings.http_host,
        service.settings.http_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(DRAIN_SECONDS),
    )
    if service.load_shedding is not None and service.tuning.has("fast_refusals"):
        config.http = fast_refusals.protocol_for(service.load_shedding)
    if service.tuning.has("accept_queue"):
        return accept_queue.DrainingServer(config)
    return uvicorn.Server(config)
