"""The service app: HTTP, consumer, relay and jobs of one service in one process, wired from its settings.

A service's main.py says what it has (router, subscriptions, jobs); everything that all services have is here.
"""

import asyncio
import gc
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from sqlalchemy import text

from chassis import admin, health, problems, retention, telemetry
from chassis.backlog import Backlog
from chassis.consumer import Consumer
from chassis.database import Database, Transaction, is_unavailable
from chassis.inbox import Handler, Inbox, subscriptions_of
from chassis.jobs import Job, keep_going
from chassis.outbox import CHANNEL
from chassis.pages import Cursors
from chassis.problems import EdgeMiddleware, ProblemType
from chassis.publisher import KafkaPublisher
from chassis.relay import Relay
from chassis.settings import ServiceSettings

log = structlog.get_logger()

DRAIN_SECONDS = 8.0


def build_app(
    settings: ServiceSettings,
    *,
    router: APIRouter,
    problems: Mapping[type[Exception], ProblemType] | None = None,
    subscriptions: Mapping[str, Handler] | None = None,
    ignored: Collection[str] = (),
    jobs: Mapping[str, Job] | None = None,
    backlog: Backlog | None = None,
) -> FastAPI:
    """A service's FastAPI app; its lifespan runs the consumer, the relay and the jobs, as far as the role has them.

    `problems` maps domain errors to problem types; `subscriptions` maps event types to handlers; `ignored` are the
    other types on the same topics; `backlog` says when to refuse new work.
    Raises TypeError where a handler does not fit its event type.
    """
    telemetry.configure_logging(settings.service_name, settings.log_level)
    telemetry.configure_tracing(settings.service_name)
    url = settings.database_url.get_secret_value()
    database = Database(url, settings.database_pool_size)
    inbox = Inbox(
        database,
        settings.service_name,
        subscriptions_of(subscriptions or {}),
        ignored,
        settings.max_attempts,
        settings.retry_seconds,
    )
    runtime = Runtime(settings, database, inbox, dict(jobs or {}), backlog)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with runtime.running():
            yield

    # FastAPI can trace by itself; once around each request is enough, and the instrumentor does it.
    native = TelemetryConfig(tracing=False, metrics=False, logs=False)
    app = FastAPI(title=settings.service_name, lifespan=lifespan, version="1", telemetry=native)
    app.state.database = database
    app.state.inbox = inbox
    app.state.cursors = Cursors(hashlib.sha256(f"cursors:{url}".encode()).digest())
    app.state.checks = runtime.checks()
    _add_http(app, settings, router, problems or {}, backlog)
    return app


def serve(create_app: Callable[[], FastAPI]) -> None:
    """Run a service until SIGTERM; then it answers what it has taken, drains its consumer, and ends."""
    app = create_app()
    settings: ServiceSettings = app.state.settings
    gc.freeze()  # what was imported lives as long as the process; the collector need not look at it again
    uvicorn.run(
        app,
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(DRAIN_SECONDS),
    )


def _add_http(
    app: FastAPI,
    settings: ServiceSettings,
    router: APIRouter,
    kinds: Mapping[type[Exception], ProblemType],
    backlog: Backlog | None,
) -> None:
    app.state.settings = settings
    app.include_router(health.router)
    app.include_router(admin.router)
    if settings.runs_api:
        app.include_router(router)
    problems.install(app, kinds)
    app.add_middleware(EdgeMiddleware, max_body_bytes=settings.max_body_bytes, backlog=backlog)
    FastAPIInstrumentor.instrument_app(
        app, excluded_urls="livez,readyz,metrics", exclude_spans=["receive", "send"]
    )


class Runtime:
    """What runs behind the HTTP of one process."""

    def __init__(
        self,
        settings: ServiceSettings,
        database: Database,
        inbox: Inbox,
        jobs: dict[str, Job],
        backlog: Backlog | None,
    ) -> None:
        self.settings = settings
        self.database = database
        self.jobs = {**jobs, "prune": Job(self._prune, every=60)}
        self.backlog = backlog
        self.inbox = inbox
        self.publisher = KafkaPublisher(
            settings.kafka_bootstrap_servers, f"/{settings.service_name}", settings.kafka_access
        )
        self.relay = Relay(settings.database_url.get_secret_value(), self.publisher.send)
        self.consumer: Consumer | None = None
        if settings.runs_worker and inbox.subscriptions:
            self.consumer = Consumer(inbox, settings)
        self._notify = asyncio.Event()
        database.on_commit = self._committed

    def checks(self) -> dict[str, health.Check]:
        """What /readyz asks."""
        checks = {"database": health.database_check(self.database)}
        if (consumer := self.consumer) is not None:
            checks["consumer"] = health.flag_check(lambda: consumer.assigned, "no partitions assigned yet")
        return checks

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run everything that this role has; on leaving, drain."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._close)
            await stack.enter_async_context(_background("notify", self._notify_others()))
            if self.settings.runs_worker:
                await stack.enter_async_context(_background("relay", keep_going("relay", self.relay.run)))
                for name, job in self.jobs.items():
                    working = keep_going(name, partial(job.work, name, self.database))
                    await stack.enter_async_context(_background(name, working))
            if self.consumer is not None:
                await stack.enter_async_context(_consuming(self.consumer, self._consume))
            if self.backlog is not None and self.settings.runs_api:
                sampling = keep_going("backlog", partial(self.backlog.sample, self.database))
                await stack.enter_async_context(_background("backlog", sampling))
            yield

    async def _prune(self, database: Database) -> int:
        return await retention.prune(database, self.settings.outbox_retention, self.settings.inbox_retention)

    async def _consume(self) -> None:
        assert self.consumer is not None
        servers, remembered = self.settings.kafka_bootstrap_servers, self.settings.inbox_retention
        await retention.check(servers, self.inbox.topics, remembered, self.settings.kafka_access)
        await self.consumer.run()

    def _committed(self, tx: Transaction) -> None:
        for name in tx.wakes:
            self.jobs[name].woken.set()
        if tx.rows:
            self.relay.wake()
            if not self.relay.owns_everything:
                self._notify.set()

    async def _notify_others(self) -> None:
        # Outside of the business transaction: NOTIFY takes a lock on the whole cluster at commit. One for many.
        while True:
            await self._notify.wait()
            self._notify.clear()
            try:
                async with self.database.reading() as connection:
                    await connection.execute(text(f"NOTIFY {CHANNEL}"))
            except Exception as error:
                if not is_unavailable(error):
                    raise  # the relays' polling finds the rows anyway
            await asyncio.sleep(0.005)

    async def _close(self) -> None:
        await self.publisher.close()
        await self.database.close()
        await asyncio.to_thread(telemetry.end_tracing)


@asynccontextmanager
async def _background(name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _consuming(consumer: Consumer, consume: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    working = keep_going("consumer", consume, ended=lambda: consumer.stopping)
    task = asyncio.create_task(working, name="consumer")
    try:
        yield
    finally:
        consumer.stop()
        with suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(task, DRAIN_SECONDS)
