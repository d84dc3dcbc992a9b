"""The chassis' metrics, in Prometheus' format at `/metrics`."""

from prometheus_client import Counter, Gauge

EVENTS_CONSUMED = Counter(
    "chassis_events_consumed_total", "Events taken from the transport", ["type", "outcome"]
)
EVENTS_PUBLISHED = Counter("chassis_events_published_total", "Events acknowledged by the broker", ["topic"])
REQUESTS_REFUSED = Counter("chassis_requests_refused_total", "Requests answered 429 by load shedding")
JOB_ITEMS_DONE = Counter("chassis_job_done_total", "Items done by a job", ["job"])
ITEMS_FAILED = Gauge(
    "chassis_items_failed", "Items in a state that only an operator changes, such as FAILED", ["kind"]
)
DEAD_LETTERS_OPEN = Gauge("chassis_dead_letters_open", "Dead letters that wait for an operator", ["group"])
