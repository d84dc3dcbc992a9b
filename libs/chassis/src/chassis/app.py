"""The service app: HTTP, consumer, relay and jobs of one service in one process, wired from its settings.

A service's main.py says what it has (router, subscriptions, jobs); everything that all services have is here.
"""

import asyncio
import gc
import os
import socket
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

from chassis import admin, health, retention, sql, telemetry
from chassis.backlog import Backlog
from chassis.consumer import Consumer
from chassis.database import Database, Transaction
from chassis.inbox import Handler, Inbox, subscriptions_of
from chassis.jobs import Job, Work, keep_going
from chassis.outbox import CHANNEL
from chassis.pages import Cursors
from chassis.problems import Door, EdgeMiddleware, ProblemType, install
from chassis.publisher import KafkaPublisher
from chassis.relay import Relay
from chassis.settings import ServiceSettings

log = structlog.get_logger()

DRAIN_SECONDS, LAST_REQUESTS_SECONDS = 4.0, 0.5

Jobs = Mapping[str, Job]


def build_app(
    settings: ServiceSettings,
    *,
    router: APIRouter,
    problems: Mapping[type[Exception], ProblemType] | None = None,
    subscriptions: Mapping[str, Handler] | None = None,
    ignored: Collection[str] = (),
    patient: Collection[str] = (),
    jobs: Jobs | None = None,
    backlog: Backlog | None = None,
) -> FastAPI:
    """A service's FastAPI app; its lifespan runs the consumer, the relay and the jobs, as far as the role has them.

    `problems` maps domain errors to problem types; `subscriptions` maps event types to handlers; `ignored` are the
    other types on the same topics; `patient` are those that nobody waits for; `backlog` says when to refuse new work.
    Raises TypeError where a handler does not fit its event type.
    """
    telemetry.configure_logging(settings.service_name, settings.log_level)
    telemetry.configure_tracing(settings.service_name)
    url = settings.database_url.get_secret_value()
    database, subscribed = Database(url, settings.database_pool_size), subscriptions_of(subscriptions or {})
    tries = (settings.max_attempts, settings.retry_seconds)
    inbox = Inbox(database, settings.service_name, subscribed, ignored, patient, *tries)
    runtime = Runtime(settings, inbox, jobs or {}, backlog)
    # FastAPI can trace by itself; once around each request is enough, and the instrumentor does it.
    native = TelemetryConfig(tracing=False, metrics=False, logs=False)
    app = FastAPI(title=settings.service_name, lifespan=runtime.running, version="1", telemetry=native)
    app.state.settings, app.state.inbox, app.state.database = settings, inbox, runtime.requests
    app.state.cursors, app.state.consumer, app.state.backlog = Cursors(url), runtime.consumer, backlog
    # The service's own first: routes are tried in their order, and looked through once more to name the span.
    for routes in (*([router] if settings.role != "worker" else []), health.router, admin.router):
        app.include_router(routes)
    install(app, problems or {})
    probes = "livez,readyz,metrics"
    FastAPIInstrumentor.instrument_app(app, excluded_urls=probes, exclude_spans=["receive", "send"])
    # Not by add_middleware: the instrumentor would stand around it.
    edge = EdgeMiddleware(app.build_middleware_stack(), settings.max_body_bytes, backlog)
    app.build_middleware_stack = lambda: edge  # type: ignore[method-assign]
    return app


def serve(create_app: Callable[[], FastAPI]) -> None:
    """Run a service until SIGTERM; then it answers what it has taken, drains its consumer, and ends."""
    app = create_app()
    settings: ServiceSettings = app.state.settings
    # Spans and messages come and go by the thousand and hold no cycles: looking for some at each 700 finds nothing.
    gc.set_threshold(20_000, 20, 50)
    gc.freeze()  # what was imported lives as long as the process; the collector need not look at it again
    config = uvicorn.Config(app, settings.http_host, settings.http_port, log_config=None, access_log=False)
    config.http, config.timeout_graceful_shutdown = Door, int(DRAIN_SECONDS)
    with suppress(KeyboardInterrupt):
        Server(config).run()


class Server(uvicorn.Server):
    """uvicorn, but who is connected already gets an answer: it would hang up on those whose request is not read yet."""

    async def main_loop(self) -> None:
        """uvicorn's own looks ten times a second whether to end: a quarter of what an idle process costs."""
        while not await self.on_tick(0):  # noqa: ASYNC110  a signal's handler decides it, and sets no event
            await asyncio.sleep(0.5)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in any more, answer those who are inside or just behind the door, then end."""
        behind: list[int] = []
        with suppress(OSError):  # no descriptor is left: who is behind the door is lost, nobody else
            behind += [os.dup(door.fileno()) for server in self.servers for door in server.sockets]
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)  # from here on only `behind` holds the doors open
        ours = (self.config, self.server_state, self.lifespan.state)
        answering = partial(self.config.http_protocol_class, *ours)  # type: ignore[call-arg]
        for client in [client for door in behind for client in _come_in(door)]:
            await asyncio.get_running_loop().connect_accepted_socket(answering, client)
        await asyncio.sleep(LAST_REQUESTS_SECONDS)
        await super().shutdown(sockets)


def _come_in(door: int) -> Iterator[socket.socket]:
    """Whom the kernel has let in and nobody has taken: closing the last hold on the door would hang up on them."""
    with socket.socket(fileno=door) as queue, suppress(OSError):  # BlockingIOError: the queue is empty
        queue.setblocking(False)
        while True:
            yield queue.accept()[0]


class Runtime:
    """What runs behind the HTTP of one process."""

    def __init__(self, settings: ServiceSettings, inbox: Inbox, jobs: Jobs, backlog: Backlog | None) -> None:
        self.settings, self.inbox, self.backlog, self.database = settings, inbox, backlog, inbox.database
        # Under a rush requests wait for each other's connections. What was promised to others does not wait with them.
        self.requests = Database(settings.database_url.get_secret_value(), settings.database_pool_size)
        prune = partial(retention.prune, outbox=settings.outbox_retention, inbox=settings.inbox_retention)
        self.jobs = {**jobs, "prune": Job(prune, every=60)}
        self.publisher = KafkaPublisher(settings.kafka, f"/{settings.service_name}")
        self.consumer = Consumer(inbox, settings) if settings.role != "api" and inbox.subscriptions else None
        self.relay = Relay(settings.database_url.get_secret_value(), self.publisher.send)
        self.relay.consumed = lambda: self.consumer.partitions if self.consumer else ()
        self._notify, self._elsewhere = asyncio.Event(), set[int]()
        self.requests.on_commit = self.database.on_commit = self._committed

    @asynccontextmanager
    async def running(self, app: FastAPI) -> AsyncIterator[None]:
        """Run everything that this role has; on leaving, drain."""
        tasks = {asyncio.create_task(keep_going(name, work)) for name, work in self._work().items()}
        consuming: set[asyncio.Task[None]] = set()
        if consumer := self.consumer:
            consuming.add(asyncio.create_task(keep_going("consumer", consumer.run, consumer.stopping.is_set)))
        try:
            yield
        finally:
            if consumer:
                consumer.stopping.set()
                await asyncio.wait(consuming, timeout=DRAIN_SECONDS)
            # Again and again: before Python 3.12, wait_for swallows a cancellation that comes together with its result.
            left = tasks | consuming
            while left:
                for task in left:
                    task.cancel()
                _, left = await asyncio.wait(left, timeout=1)
            await self.publisher.close()
            await asyncio.gather(self.requests.close(), self.database.close())
            await asyncio.to_thread(telemetry.end_tracing)

    def _work(self) -> dict[str, Work]:
        """What goes on beside the consumer, by name."""
        work: dict[str, Work] = {"notify": self._notify_others}
        if self.settings.role != "api":
            work["relay"] = self.relay.run
            work |= {name: partial(job.work, name, self.database) for name, job in self.jobs.items()}
        if self.backlog is not None and self.settings.role != "worker":
            work["backlog"] = partial(self.backlog.sample, self.database)
        return work

    def _committed(self, tx: Transaction) -> None:
        for name in tx.wakes & self.jobs.keys():
            self.jobs[name].woken.set()
        if unknown := tx.wakes - self.jobs.keys():  # too late to refuse it: the transaction stands
            log.error("woken, but there is no such job", jobs=sorted(unknown))
        if shards := {row.shard for row in tx.rows}:
            self.relay.wake(shards)
        if elsewhere := shards - self.relay.cursors.keys():
            self._elsewhere |= elsewhere
            self._notify.set()

    async def _notify_others(self) -> None:
        # Outside of the business transaction: NOTIFY takes a lock on the whole cluster at commit. One for many, as each
        # wakes a backend and a process of every replica.
        while True:
            await self._notify.wait()
            # If it fails, the relays' polling finds the rows.
            async with self.database.reading() as connection:
                self._notify.clear()
                told = {"channel": CHANNEL, "shards": " ".join(map(str, self._elsewhere))}
                self._elsewhere.clear()
                await connection.execute(sql.statement("notify_relays"), told)
            await asyncio.sleep(0.05)
