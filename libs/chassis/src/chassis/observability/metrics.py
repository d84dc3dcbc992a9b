"""The chassis' metrics, in Prometheus' format at `/metrics`.

A process that serves several modules has a registry for each of them, because each has a port of its own for metrics.
"""

from collections.abc import Callable
from typing import Any, cast

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)

from chassis.observability.module import current_module

_registries: dict[str, CollectorRegistry] = {"": REGISTRY}


def registry() -> CollectorRegistry:
    """The registry of the current module, or that of the process if it serves one service."""
    module = current_module()
    if module not in _registries:
        _registries[module] = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=_registries[module])
        for metric in _METRICS:
            metric.of_module(module)
    return _registries[module]


class _OfModule:
    """A metric: in each module its own one."""

    def __init__(self, create: Callable[[CollectorRegistry], Counter | Gauge]) -> None:
        self._create = create
        self._by_module = {"": create(REGISTRY)}

    def of_module(self, module: str) -> Counter | Gauge:
        """The metric in the registry of a module."""
        if module not in self._by_module:
            self._by_module[module] = self._create(_registries[module])
        return self._by_module[module]

    def __getattr__(self, name: str) -> Any:
        module = current_module()
        if module not in self._by_module:
            registry()
        return getattr(self._by_module[module], name)


_METRICS: list[_OfModule] = []


def _counter(name: str, documentation: str, labels: tuple[str, ...] = ()) -> Counter:
    return cast(Counter, _of_module(lambda of: Counter(name, documentation, labels, registry=of)))


def _gauge(name: str, documentation: str, labels: tuple[str, ...] = ()) -> Gauge:
    return cast(Gauge, _of_module(lambda of: Gauge(name, documentation, labels, registry=of)))


def _of_module(create: Callable[[CollectorRegistry], Counter | Gauge]) -> _OfModule:
    metric = _OfModule(create)
    _METRICS.append(metric)
    return metric


EVENTS_CONSUMED = _counter(
    "chassis_events_consumed_total", "Events that the inbox has processed, by outcome", ("type", "outcome")
)
EVENTS_PUBLISHED = _counter("chassis_events_published_total", "Events acknowledged by the broker", ("topic",))
REFUSALS = _counter(
    "chassis_refusals_total",
    "Tries that a dependency refused, because the password is wrong or a right is missing",
    ("dependency",),
)
REQUESTS_REFUSED = _counter("chassis_requests_refused_total", "Requests answered 429 by load shedding")
REQUESTS_LIMITED = _counter(
    "chassis_requests_limited_total", "Requests answered 429 because their caller sends too many"
)
JOB_ITEMS_DONE = _counter("chassis_job_done_total", "Items done by a job", ("job",))
CONSUMER_STALLS = _counter("chassis_consumer_stalls_total", "Consumers cut off because they made no progress")
ITEMS_FAILED = _gauge("chassis_items_failed", "Items that failed for good and need an operator", ("kind",))
DEAD_LETTERS_OPEN = _gauge("chassis_dead_letters_open", "Dead letters that wait for an operator", ("group",))
DEAD_LETTERS = _counter("chassis_dead_letters_total", "Dead letters stored", ("group", "reason"))
BREAKERS_OPEN = _gauge(
    "chassis_breaker_open",
    "1 while failed events of a type wait, because many keys in a row fail in the same way",
    ("type",),
)
PARTITIONS_WAITING = _gauge(
    "chassis_partitions_waiting",
    "Partitions that wait for a message that could be neither handled nor stored",
)
SHARDS_WAITING = _gauge(
    "chassis_shards_waiting",
    "Shards of topics in the database that wait for a message that could be neither handled nor stored",
)
RETENTION_TOO_SHORT = _gauge(
    "chassis_inbox_retention_too_short",
    "1 while a topic can deliver events that the inbox has forgotten",
    ("topic",),
)
OUTBOX_OLDEST_UNSENT = _gauge(
    "chassis_outbox_oldest_unsent_seconds", "Age of the oldest row of the outbox that was not sent"
)
OUTBOX_SET_ASIDE = _gauge("chassis_outbox_set_aside", "Rows of the outbox that are set aside", ("state",))
INTENTS_OLDEST = _gauge(
    "chassis_intents_oldest_seconds", "Age of the oldest open intent (call of an outside system)", ("queue",)
)
