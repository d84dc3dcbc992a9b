"""The chassis' metrics, in Prometheus' format at `/metrics`."""

from prometheus_client import Counter, Gauge

EVENTS_CONSUMED = Counter(
    "chassis_events_consumed_total", "Events that the inbox has processed, by outcome", ["type", "outcome"]
)
EVENTS_PUBLISHED = Counter("chassis_events_published_total", "Events acknowledged by the broker", ["topic"])
REFUSALS = Counter(
    "chassis_refusals_total",
    "Tries that a dependency refused, because the password is wrong or a right is missing",
    ["dependency"],
)
REQUESTS_REFUSED = Counter("chassis_requests_refused_total", "Requests answered 429 by load shedding")
REQUESTS_LIMITED = Counter(
    "chassis_requests_limited_total", "Requests answered 429 because their caller sends too many"
)
JOB_ITEMS_DONE = Counter("chassis_job_done_total", "Items done by a job", ["job"])
CONSUMER_STALLS = Counter("chassis_consumer_stalls_total", "Consumers cut off because they made no progress")
ITEMS_FAILED = Gauge("chassis_items_failed", "Items that failed for good and need an operator", ["kind"])
DEAD_LETTERS_OPEN = Gauge("chassis_dead_letters_open", "Dead letters that wait for an operator", ["group"])
DEAD_LETTERS = Counter("chassis_dead_letters_total", "Dead letters stored", ["group", "reason"])
BREAKERS_OPEN = Gauge(
    "chassis_breaker_open",
    "1 while failed events of a type wait, because many keys in a row fail in the same way",
    ["type"],
)
PARTITIONS_WAITING = Gauge(
    "chassis_partitions_waiting",
    "Partitions that wait for a message that could be neither handled nor stored",
)
RETENTION_TOO_SHORT = Gauge(
    "chassis_inbox_retention_too_short",
    "1 while a topic can deliver events that the inbox has forgotten",
    ["topic"],
)
OUTBOX_OLDEST_UNSENT = Gauge(
    "chassis_outbox_oldest_unsent_seconds", "Age of the oldest row of the outbox that was not sent"
)
OUTBOX_SET_ASIDE = Gauge("chassis_outbox_set_aside", "Rows of the outbox that are set aside", ["state"])
INTENTS_OLDEST = Gauge(
    "chassis_intents_oldest_seconds", "Age of the oldest open intent (call of an outside system)", ["queue"]
)
