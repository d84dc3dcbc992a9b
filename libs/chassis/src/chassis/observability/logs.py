"""Logs: one JSON object per line on standard output."""

import logging
import sys
from typing import Any

import structlog

from chassis.observability.client_messages import RateLimitedLogHandler
from chassis.observability.module import current_module
from chassis.observability.tracing import current_traceparent


def configure_logging(service: str, level: str) -> None:
    """Log JSON lines, each with the service and the current trace id and span id.

    In a process that serves several modules, the service is the module that logs the line.

    `level` is a name such as `info`. Libraries log warnings and errors. Messages of client libraries are limited in
    number (see `client_messages`).
    """
    renderer = structlog.processors.JSONRenderer()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        lambda _, __, event: event | {"service": current_module() or service},
        _add_trace_ids,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    from_libraries: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processors=from_libraries, foreign_pre_chain=shared)
    )
    logging.basicConfig(handlers=[RateLimitedLogHandler(handler)], level=logging.WARNING, force=True)


def _add_trace_ids(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if traceparent := current_traceparent():
        _, event["trace_id"], event["span_id"], _ = traceparent.split("-")
    return event
