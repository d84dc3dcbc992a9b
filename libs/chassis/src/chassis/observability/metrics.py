"""The chassis' metrics, in Prometheus' format at `/metrics`."""

from prometheus_client import Counter, Gauge

EVENTS_CONSUMED = Counter(
    "chassis_events_consumed_total", "Events taken from the transport", ["type", "outcome"]
)
EVENTS_PUBLISHED = Counter("chassis_events_published_total", "Events acknowledged by the broker", ["topic"])
REQUESTS_REFUSED = Counter("chassis_requests_refused_total", "Requests answered 429 by load shedding")
JOB_ITEMS_DONE = Counter("chassis_job_done_total", "Items done by a job", ["job"])
CONSUMER_STALLS = Counter("chassis_consumer_stalls_total", "Consumers cut off because they made no progress")
ITEMS_FAILED = Gauge(
    "chassis_items_failed", "Items in a state that only an operator changes, such as FAILED", ["kind"]
)
DEAD_LETTERS_OPEN = Gauge("chassis_dead_letters_open", "Dead letters that wait for an operator", ["group"])
DEAD_LETTERS = Counter("chassis_dead_letters_total", "Dead letters stored", ["group", "reason"])
BREAKERS_OPEN = Gauge(
    "chassis_breaker_open",
    "1 while events of a type wait, because all of them fail in the same way",
    ["type"],
)
PARTITIONS_WAITING = Gauge(
    "chassis_partitions_waiting", "Partitions that wait behind a message that is not taken"
)
RETENTION_TOO_SHORT = Gauge(
    "chassis_inbox_retention_too_short",
    "1 while a topic can deliver events that the inbox has forgotten",
    ["topic"],
)
OUTBOX_OLDEST_UNSENT = Gauge(
    "chassis_outbox_oldest_unsent_seconds", "Age of the oldest row of the outbox that was not sent"
)
OUTBOX_SET_ASIDE = Gauge("chassis_outbox_set_aside", "Rows of the outbox that stand aside", ["state"])
INTENTS_OLDEST = Gauge(
    "chassis_intents_oldest_seconds", "Age of the oldest thing to do outside that is not done", ["queue"]
)
