"""The objects that endpoints need, in one typed object. `build_service` sets it."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, cast

from fastapi import Depends, FastAPI, Request

from chassis.inbox import Inbox
from chassis.observability.status import TaskStatus
from chassis.outbox import BusinessMetrics, Database
from chassis.settings import ServiceSettings
from chassis.web.audit import RefusalLog
from chassis.web.rate_limit import RateLimit
from chassis.web.tokens import TokenVerifier


class Phase(StrEnum):
    """The phase of a process, in the words of `/readyz`."""

    STARTING = "is starting"
    SERVING = "ok"
    ENDING = "is shutting down"


@dataclass(slots=True)
class Process:
    """The phase of this process, which `chassis.server` sets. Without that server, as in a test, it is SERVING."""

    phase: Phase = Phase.SERVING
    gauges_read_at: float = field(default_factory=time.monotonic)
    """When the gauges of the database were last read, as `time.monotonic` tells it."""


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """The objects that all endpoints of a process share."""

    settings: ServiceSettings
    database: Database
    """Connections for requests. Under heavy load requests wait for each other's connections."""
    background_database: Database
    """Connections for all other work, so that probes, consumer and jobs do not wait for requests."""
    inbox: Inbox
    tokens: TokenVerifier
    """Verifies the tokens of requests."""
    tasks: Mapping[str, TaskStatus] = field(default_factory=dict)
    """The tasks whose status `/readyz` shows."""
    process: Process = field(default_factory=Process)
    rate_limit: RateLimit | None = None
    """Refuses callers that send too many requests; None: no caller is refused."""
    refusals: RefusalLog = field(default_factory=RefusalLog)
    """Writes which requests were refused with 401 or 403."""
    business: BusinessMetrics = field(default_factory=BusinessMetrics)
    """The business metrics of the service."""
    parts: Sequence[Callable[[], Awaitable[None]]] = ()
    """Functions of the parts of this process, each of which sets its gauges."""


def set_context(app: FastAPI, context: ServiceContext) -> None:
    """Make `context` known to the endpoints of `app`."""
    app.state.context = context


def context_of(request: Request) -> ServiceContext:
    """The context of the service that answers this request."""
    return cast(ServiceContext, request.app.state.context)


async def _database(request: Request) -> Database:
    return context_of(request).database


Db = Annotated[Database, Depends(_database)]
