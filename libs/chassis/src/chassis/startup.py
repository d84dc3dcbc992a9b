"""Sets what a process has once, before its service runs: log, spans, the way in which Kafka's bytes are read, and the
metrics that begin at 0.

A series that appears with its first increment has no increase in Prometheus' eyes. So each known series is there from
the start. Those of the consumer, the relay and the jobs are in the roles `worker` and `all` alone.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import product

from starlette.routing import BaseRoute

from chassis.errors import DATABASE, KAFKA
from chassis.events import PublishedEvent
from chassis.inbox import Subscriptions
from chassis.inbox.dead_letters import OPEN_STATES, REASONS
from chassis.inbox.outcomes import Claim
from chassis.observability import metrics, tracing
from chassis.observability.logs import configure_logging
from chassis.outbox import BusinessMetrics
from chassis.settings import ServiceSettings
from chassis.tuning import Tuning, closed_connections, message_spans, span_encoding, tolerant_records
from chassis.web import request_metrics
from chassis.web.issuer_keys import ISSUER

SET_ASIDE_STATES = ("DELAYED", "REFUSED")


def configure_process(settings: ServiceSettings, tuning: Tuning) -> None:
    """Set the log, the spans, and how this process reads Kafka's bytes and notices that a connection has ended."""
    configure_logging(settings.service_name, settings.log_level)
    _configure_tracing(settings, tuning)
    if tuning.has("tolerant_records"):
        tolerant_records.read_any_bytes()
    if tuning.has("closed_connections"):
        closed_connections.notice_closed_connections()


def _configure_tracing(settings: ServiceSettings, tuning: Tuning) -> None:
    pipeline = tracing.configure_tracing(settings.service_name)
    if pipeline is None or not tuning.has("message_spans"):
        return
    tracing.start_message_spans_with(message_spans.prepared_spans(pipeline))
    if tuning.has("span_encoding"):
        span_encoding.encode_by_copies()


def start_metrics(
    settings: ServiceSettings,
    subscriptions: Subscriptions,
    jobs: Iterable[str],
    business: BusinessMetrics,
    routes: Iterable[BaseRoute],
) -> None:
    """Make the series that a process of this role has. They are 0."""
    _start_all(settings.service_name, business)
    if settings.role != "worker":
        request_metrics.start_at_zero(routes)
    if settings.role != "api":
        _start_worker(settings.service_name, subscriptions, jobs, business)


def _start_all(group: str, business: BusinessMetrics) -> None:
    for dependency in (DATABASE, KAFKA, ISSUER, *business.dependencies):
        metrics.DEPENDENCY_AWAY.labels(dependency).set(0)
    for dependency in (DATABASE, KAFKA):
        metrics.REFUSALS.labels(dependency)
    for state in OPEN_STATES:
        metrics.DEAD_LETTERS_OPEN.labels(group, state)
    metrics.DEAD_LETTERS_OLDEST.labels(group)
    for state in SET_ASIDE_STATES:
        metrics.OUTBOX_SET_ASIDE.labels(state)
    for queue in business.queues:
        metrics.INTENTS_OPEN.labels(queue)
        metrics.INTENTS_OLDEST.labels(queue)


def _start_worker(
    group: str, subscriptions: Subscriptions, jobs: Iterable[str], business: BusinessMetrics
) -> None:
    metrics.CONSUMED.start_at_zero(product(subscriptions.by_type, Claim))
    for event_type in subscriptions.by_type:
        metrics.EVENT_TRIES_FAILED.labels(event_type)
        metrics.BREAKERS_OPEN.labels(event_type)
    for topic in subscriptions.topics:
        metrics.RETENTION_TOO_SHORT.labels(topic)
    if subscriptions.by_type:
        for reason in REASONS:
            metrics.DEAD_LETTERS.labels(group, reason)
    for topic in {f"{group}.dead-letters", *published_topics(group)}:
        metrics.count_sent(topic, 0)
    for job in jobs:
        metrics.JOB_ITEMS_DONE.labels(job)
    for queue in business.queues:
        metrics.INTENTS_POSTPONED.labels(queue)


def published_topics(owner: str) -> Collection[str]:
    """The topics of a service's own events, by the models that this process has loaded."""
    return {model.topic for model in _models(PublishedEvent) if model.topic.startswith(f"{owner}.")}


def _models(base: type[PublishedEvent]) -> Iterator[type[PublishedEvent]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)
