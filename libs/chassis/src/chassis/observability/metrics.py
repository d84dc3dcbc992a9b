"""The chassis' metrics, as `/metrics` shows them. docs/reference/metrics.md explains each one.

A metric that OpenTelemetry's semantic conventions have has their name and labels, in Prometheus' spelling. Others are
named `chassis_*`, and the business metrics of a service `shopfloor_*` (docs/decisions/0053).

`labels()` costs more than the increment itself. So code that runs for each event, request or transaction uses children
that were made once: `Children`, `PoolMetrics`.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# Otherwise each counter and each histogram has one more series, the time at which it was made.
disable_created_metrics()  # type: ignore[no-untyped-call]

Instrument = TypeVar("Instrument", Counter, Gauge, Histogram)


class Children(dict[tuple[str, ...], Instrument]):
    """The children of a metric by the values of their labels. A child is made when it is first asked for, and is 0."""

    def __init__(self, metric: Instrument) -> None:
        super().__init__()
        self._metric: Instrument = metric

    def __missing__(self, values: tuple[str, ...]) -> Instrument:
        child: Instrument = self._metric.labels(*values)
        self[values] = child
        return child

    def start_at_zero(self, all_values: Iterable[tuple[str, ...]]) -> None:
        """Make the children with these values."""
        for values in all_values:
            self[values]


# --- Messages ---------------------------------------------------------------------------------------

KAFKA_LABELS = ("messaging_system", "messaging_operation_name", "messaging_destination_name")
GROUP_LABEL = "messaging_consumer_group_name"

MESSAGES_SENT = Counter(
    "messaging_client_sent_messages_total", "Messages that the broker has acknowledged", KAFKA_LABELS
)
MESSAGES_CONSUMED = Counter(
    "messaging_client_consumed_messages_total",
    "Messages that the inbox has taken, with those of ignored types",
    [*KAFKA_LABELS, GROUP_LABEL],
)
PROCESS_DURATION = Histogram(
    "messaging_process_duration_seconds",
    "How long the inbox needed for a batch, which is one transaction unless a message fails",
    ["messaging_system", "messaging_operation_name", GROUP_LABEL],
    buckets=(0.01, 0.05, 0.25, 1, 5),
)
LAG_MESSAGES = Gauge(
    "chassis_consumer_lag_messages",
    "Messages that wait in the partitions of this process, as of the broker's last answer",
    ["topic"],
)
LAG_SECONDS = Gauge(
    "chassis_consumer_lag_seconds",
    "How far behind the slowest partition of this process is; 0 if no message waits",
    ["topic"],
)
EVENTS_CONSUMED = Counter(
    "chassis_events_consumed_total", "Events that the inbox has processed, by outcome", ["type", "outcome"]
)
EVENT_TRIES_FAILED = Counter(
    "chassis_event_tries_failed_total", "Failed tries of events; most are tried again", ["type"]
)
CONSUMER_STALLS = Counter("chassis_consumer_stalls_total", "Consumers cut off because they made no progress")
BREAKERS_OPEN = Gauge(
    "chassis_breaker_open",
    "1 while failed events of a type wait, because many keys in a row fail in the same way",
    ["type"],
)
PARTITIONS_WAITING = Gauge(
    "chassis_partitions_waiting",
    "Partitions that wait for a message that could be neither handled nor stored",
)
SHARDS_WAITING = Gauge(
    "chassis_shards_waiting",
    "Shards of topics in the database that wait for a message that could be neither handled nor stored",
)
RETENTION_TOO_SHORT = Gauge(
    "chassis_inbox_retention_too_short",
    "1 while a topic can deliver events that the inbox has forgotten",
    ["topic"],
)

# --- Dead letters and outbox ------------------------------------------------------------------------

DEAD_LETTERS = Counter("chassis_dead_letters_total", "Dead letters stored", ["group", "reason"])
DEAD_LETTERS_OPEN = Gauge(
    "chassis_dead_letters_open", "Dead letters that wait for an operator, by state", ["group", "state"]
)
DEAD_LETTERS_OLDEST = Gauge(
    "chassis_dead_letters_oldest_seconds",
    "Age of the oldest dead letter that waits for an operator",
    ["group"],
)
OUTBOX_UNSENT = Gauge(
    "chassis_outbox_unsent", "Rows of the outbox after the saved positions of the relays; at most 10,000"
)
OUTBOX_OLDEST_UNSENT = Gauge(
    "chassis_outbox_oldest_unsent_seconds", "Age of the oldest row of the outbox that was not sent"
)
OUTBOX_SET_ASIDE = Gauge("chassis_outbox_set_aside", "Rows of the outbox that are set aside", ["state"])
RELAY_SHARDS = Gauge("chassis_relay_shards", "Shards of the outbox on which this process has a lease")
RELAY_LEASE_LEFT = Gauge("chassis_relay_lease_left_seconds", "Seconds for which this process may send")
SHARDS_WITHOUT_LEASE = Gauge(
    "chassis_relay_shards_without_lease", "Shards of the outbox on which no process has a lease"
)

# --- Jobs and outside systems -----------------------------------------------------------------------

JOB_ITEMS_DONE = Counter("chassis_job_done_total", "Items done by a job", ["job"])
INTENTS_OPEN = Gauge("chassis_intents_open", "Open intents (calls of an outside system)", ["queue"])
INTENTS_OLDEST = Gauge(
    "chassis_intents_oldest_seconds", "Age of the oldest open intent (call of an outside system)", ["queue"]
)
INTENTS_POSTPONED = Counter(
    "chassis_intents_postponed_total", "Tries of intents without a result; each is tried again", ["queue"]
)
ITEMS_FAILED = Gauge("chassis_items_failed", "Items that failed for good and need an operator", ["kind"])
DEPENDENCY_AWAY = Gauge("chassis_dependency_away", "1 while a dependency is unavailable", ["dependency"])
REFUSALS = Counter(
    "chassis_refusals_total",
    "Tries that a dependency refused, because the password is wrong or a right is missing",
    ["dependency"],
)

# --- The process ------------------------------------------------------------------------------------

REQUEST_DURATION = Histogram(
    "http_server_request_duration_seconds",
    "How long a request of the public port took, with the reading of its body",
    ["http_request_method", "http_route", "http_response_status_code"],
    buckets=(0.025, 0.1, 0.5, 2.5),
)
REQUESTS_REFUSED = Counter("chassis_requests_refused_total", "Requests answered 429 by load shedding")
REQUESTS_LIMITED = Counter(
    "chassis_requests_limited_total", "Requests answered 429 because their caller sends too many"
)
ACCESS_REFUSED = Counter(
    "chassis_access_refused_total", "Requests answered 401 or 403, by the slug of the problem", ["reason"]
)
POOL_LABEL = "db_client_connection_pool_name"
POOL_WAIT = Histogram(
    "db_client_connection_wait_time_seconds",
    "How long a part of the process waited for a free connection to PostgreSQL",
    [POOL_LABEL],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 2.5),
)
POOL_TIMEOUTS = Counter(
    "db_client_connection_timeouts_total", "Waits in which no connection became free in time", [POOL_LABEL]
)
POOL_CONNECTIONS = Gauge(
    "db_client_connection_count", "Connections to PostgreSQL", [POOL_LABEL, "db_client_connection_state"]
)
POOL_MAX = Gauge("db_client_connection_max", "The largest number of connections of a pool", [POOL_LABEL])
POOL_PENDING = Gauge(
    "db_client_connection_pending_requests", "Parts of the process that wait for a connection", [POOL_LABEL]
)
LOOP_LAG = Histogram(
    "chassis_event_loop_lag_seconds",
    "How late the event loop ran a timer that is due every second",
    buckets=(0.01, 0.05, 0.25, 1, 5),
)
GAUGES_AGE = Gauge(
    "chassis_gauges_age_seconds", "Seconds since the gauges of the database were read; 0 if they are of now"
)

REQUESTS: Children[Histogram] = Children(REQUEST_DURATION)
CONSUMED: Children[Counter] = Children(EVENTS_CONSUMED)
SENT: Children[Counter] = Children(MESSAGES_SENT)
FETCHED: Children[Counter] = Children(MESSAGES_CONSUMED)


class PoolMetrics(NamedTuple):
    """The metrics of one pool of connections."""

    wait: Histogram
    timeouts: Counter
    idle: Gauge
    used: Gauge
    pending: Gauge
    maximum: Gauge


def pool_metrics(name: str) -> PoolMetrics:
    """The metrics of the pool with this name, which is a label."""
    return PoolMetrics(
        POOL_WAIT.labels(name),
        POOL_TIMEOUTS.labels(name),
        POOL_CONNECTIONS.labels(name, "idle"),
        POOL_CONNECTIONS.labels(name, "used"),
        POOL_PENDING.labels(name),
        POOL_MAX.labels(name),
    )


def count_sent(topic: str, number: int) -> None:
    """Count messages that the broker has acknowledged."""
    SENT["kafka", "send", topic].inc(number)
