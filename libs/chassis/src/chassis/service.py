"""One service in one process: HTTP, consumer, relay and jobs, built from the parts that its `main.py` names.

service = build_service(settings, router=api.router, subscriptions=SUBSCRIPTIONS, …)
service.app         the public FastAPI app
service.asgi        the app as it is served: inside load shedding and the limit of bodies
service.management  the FastAPI app of the management port: probes, metrics, the admin API
service.runtime     consumer, relay and jobs
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from starlette.types import ASGIApp

from chassis.inbox import Inbox, Subscriptions
from chassis.inbox.subscriptions import NO_SUBSCRIPTIONS
from chassis.jobs import Jobs, run_job
from chassis.jobs.prune import prune_job
from chassis.kafka import Assignment, Consumer
from chassis.kafka.topic_retention import watch_retention
from chassis.local import LocalReader
from chassis.observability.loop_lag import measure_loop_lag
from chassis.observability.status import TaskStatus
from chassis.outbox import BusinessMetrics, Database, Relay
from chassis.runtime import Resource, Runtime, Wakeups
from chassis.settings import ServiceSettings
from chassis.single import OneTransaction, Participant, SagaDatabase, take_part
from chassis.startup import configure_process, start_metrics
from chassis.supervisor import Task
from chassis.transports import TopicPlaces, build_consumer, build_reader, build_sending, retention_of
from chassis.tuning import Tuning, planner
from chassis.web import LoadShedding, ProblemType, ServiceContext
from chassis.web.body_limit import BodyLimit
from chassis.web.context import set_context
from chassis.web.error_handlers import install_error_handlers
from chassis.web.foreign_traces import ForeignTraces, describe_request
from chassis.web.issuer_keys import ISSUER
from chassis.web.load_shedding import LoadSheddingMiddleware
from chassis.web.management import UNTRACED, UNTRACED_PATHS, build_management_app
from chassis.web.rate_limit import RateLimit
from chassis.web.request_metrics import RequestMetrics
from chassis.web.security_scheme import install_security
from chassis.web.token_settings import token_verifier_of
from chassis.web.tokens import TokenVerifier


@dataclass(frozen=True, slots=True)
class Service:
    """A service that is built and does not run yet."""

    settings: ServiceSettings
    tuning: Tuning
    context: ServiceContext
    runtime: Runtime
    load_shedding: LoadShedding | None
    app: FastAPI
    asgi: ASGIApp
    """The public app as it is served. A process with the role `worker` does not serve it."""
    management: FastAPI
    management_asgi: ASGIApp
    """The management app as it is served, on its own port: without load shedding."""


def build_service(
    settings: ServiceSettings,
    *,
    router: APIRouter,
    problems: Mapping[type[Exception], ProblemType] | None = None,
    subscriptions: Subscriptions = NO_SUBSCRIPTIONS,
    jobs: Jobs | None = None,
    load_shedding: LoadShedding | None = None,
    resources: Sequence[Resource] = (),
    business: BusinessMetrics | None = None,
    one_transaction: OneTransaction | None = None,
) -> Service:
    """Build a service. `settings.role` decides which parts run in this process.

    `problems` maps domain errors to problem types. `resources` are closed after the jobs have ended. `business` has the
    service's own metrics. `one_transaction` is its part in a saga that is one transaction (SHOP_TX=single).
    """
    business = business or BusinessMetrics()
    tuning = Tuning(settings.tuning_off)
    configure_process(settings, tuning)
    all_jobs = {**(jobs or {}), "prune": prune_job(settings.outbox_retention, settings.inbox_retention)}
    places = TopicPlaces.of(settings, subscriptions)
    assignment = Assignment()
    sending = build_sending(settings, tuning, assignment)
    wakeups = Wakeups(sending.relay, all_jobs, business, shares_database=bool(settings.modules))
    tokens = token_verifier_of(settings)
    statuses: dict[str, TaskStatus] = {ISSUER: tokens.keys.status}
    context = _build_context(settings, tuning, subscriptions, wakeups, tokens, statuses)
    if one_transaction is not None and settings.is_single:
        context = _in_one_transaction(context, one_transaction, tuning, wakeups)
    consumer = build_consumer(settings, tuning, context.inbox, assignment, places.kafka)
    reader = build_reader(settings, tuning, context.inbox, places.database)
    statuses |= _shown_tasks(settings.role, sending.relay, consumer, reader)
    parts = _measured_parts(settings.role, sending.relay, consumer)
    context = replace(context, business=business, parts=parts)
    tasks = _tasks(settings, context.background_database, sending.relay, wakeups, all_jobs, load_shedding)
    tasks[ISSUER] = tokens.keys.run
    if consumer is not None:
        tasks["retention"] = partial(watch_retention, *retention_of(settings, places.kafka))
    runtime = Runtime(
        consumer=consumer,
        tasks=tasks,
        resources=(*resources, *sending.publishers),
        databases=(context.database, context.background_database),
        statuses=statuses,
        reader=reader,
    )
    app = _build_app(context, router, problems or {})
    start_metrics(settings, subscriptions, all_jobs, business, app.router.routes)
    management = build_management_app(context)
    _trace(app)
    _trace(management, untraced_paths=UNTRACED_PATHS)
    return Service(
        settings,
        tuning,
        context,
        runtime,
        load_shedding,
        app=app,
        asgi=RequestMetrics(_behind_limits(app, settings, load_shedding)),
        management=management,
        management_asgi=_behind_limits(management, settings, None),
    )


def _build_context(
    settings: ServiceSettings,
    tuning: Tuning,
    subscriptions: Subscriptions,
    wakeups: Wakeups,
    tokens: TokenVerifier,
    statuses: Mapping[str, TaskStatus],
) -> ServiceContext:
    pool = _pool_of(settings, tuning, wakeups)

    def connect(statement_seconds: float) -> Database:
        return Database(**pool, statement_seconds=statement_seconds)

    background_database = connect(settings.background_statement_seconds)
    inbox = Inbox(
        background_database,
        settings.service_name,
        subscriptions,
        max_attempts=settings.max_attempts,
        breaker_keys=settings.breaker_keys,
    )
    requests = connect(settings.request_statement_seconds)
    requests.measure_connections("requests")
    background_database.measure_connections("background")
    limit = RateLimit(settings.http_caller_rate, settings.http_caller_burst)
    return ServiceContext(settings, requests, background_database, inbox, tokens, statuses, rate_limit=limit)


def _pool_of(settings: ServiceSettings, tuning: Tuning, wakeups: Wakeups) -> dict[str, Any]:
    """The arguments that each pool of the service has. The time limit of a statement differs."""
    return {
        "url": settings.database_url.get_secret_value(),
        "pool_size": settings.database_pool_size,
        "on_commit": wakeups.on_commit,
        "server_settings": planner.SERVER_SETTINGS if tuning.has("planner") else {},
        "password": settings.database_password,
    }


def _in_one_transaction(
    context: ServiceContext, part: OneTransaction, tuning: Tuning, wakeups: Wakeups
) -> ServiceContext:
    """Let the service take part in sagas that are one transaction. Requests that start one have a `SagaDatabase`."""
    settings = context.settings
    pool = _pool_of(settings, tuning, wakeups)
    role = urlsplit(pool["url"]).username or ""
    take_part(Participant(context.inbox, part, wakeups.on_commit, role, schema=settings.service_name))
    if not part.starts:
        return context
    requests = SagaDatabase(
        settings.service_name, **pool, statement_seconds=settings.request_statement_seconds
    )
    requests.measure_connections("requests")
    return replace(context, database=requests)


def _shown_tasks(
    role: str, relay: Relay, consumer: Consumer | None, reader: LocalReader | None
) -> Mapping[str, TaskStatus]:
    """The status of each task that `/readyz` shows in addition to that of the issuer's keys, by its name."""
    statuses: dict[str, TaskStatus] = {}
    if role != "api":
        statuses["relay"] = relay.status
    if consumer is not None:
        statuses["consumer"] = consumer.assignment.status
    if reader is not None:
        statuses["reader"] = reader.status
    return statuses


def _tasks(
    settings: ServiceSettings,
    database: Database,
    relay: Relay,
    wakeups: Wakeups,
    jobs: Jobs,
    load_shedding: LoadShedding | None,
) -> dict[str, Task]:
    """The background tasks other than the consumer, by their names in the log."""
    role = settings.role
    tasks: dict[str, Task] = {"notify": partial(wakeups.notifier.run, database), "loop_lag": measure_loop_lag}
    if settings.modules:
        tasks["notify-readers"] = partial(wakeups.reader_notifier.run, database)
    if role != "api":
        tasks["relay"] = relay.run
        tasks |= {name: partial(run_job, name, job, database) for name, job in jobs.items()}
    if load_shedding is not None and role != "worker":
        tasks["load_shedding"] = partial(load_shedding.sample, database)
    return tasks


def _build_app(
    context: ServiceContext, router: APIRouter, problems: Mapping[type[Exception], ProblemType]
) -> FastAPI:
    # Without redirects: their address has the `Host` of the request, and they need no token.
    app = FastAPI(
        title=context.settings.service_name, version="1", telemetry=UNTRACED, redirect_slashes=False
    )
    set_context(app, context)
    app.include_router(router)
    install_security(app)
    install_error_handlers(app, problems)
    return app


def _trace(app: FastAPI, untraced_paths: Sequence[str] = ()) -> None:
    FastAPIInstrumentor.instrument_app(
        app,
        excluded_urls=",".join(untraced_paths),
        exclude_spans=["receive", "send"],
        server_request_hook=describe_request,
    )


def _behind_limits(app: FastAPI, settings: ServiceSettings, load_shedding: LoadShedding | None) -> ASGIApp:
    traced = ForeignTraces(app)
    bodies = BodyLimit(traced, settings.max_body_bytes, settings.body_seconds)
    if load_shedding is None:
        return bodies
    return LoadSheddingMiddleware(traced, load_shedding, bodies.read)


def _measured_parts(
    role: str, relay: Relay, consumer: Consumer | None
) -> Sequence[Callable[[], Awaitable[None]]]:
    """The functions that set the gauges of this process's parts."""
    # The relay is last, because its function does not wait (`gauges.measure`).
    parts = [] if consumer is None else [consumer.lag.measure]
    return parts if role == "api" else [*parts, relay.measure]
