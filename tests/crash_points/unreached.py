"""Why a point is not reached under the load of these trials. A reason belongs to a module, or to a function in it."""

from __future__ import annotations

from tests.crash_points.points import Point

UNKNOWN = "no reason is known: extend the load in matrix.py, or add the reason to unreached.py"
OPERATOR = "only an operator's request to the admin API does this"
REFUSED_ROW = "only if Kafka refuses a row, such as one of a topic that does not exist"
AWAY = "only while PostgreSQL or Kafka is away, silent or refuses a right"
UNRECORDED = "only if the answer of an outside system cannot be recorded"
FAILING = "only if an event's handler fails"
SHARED = "only where modules share a database (docs/decisions/0055), and here are five services"
REBUILD = "only while a projection is rebuilt"
REASONS: dict[str, str] = {
    "chassis.inbox.inbox:Inbox.redrive": OPERATOR,
    "chassis.inbox.inbox:Inbox._take_in_parts": FAILING,
    "chassis.inbox.inbox:Inbox._take_one_by_one": FAILING,
    "chassis.inbox.inbox:Inbox._try_each": FAILING,
    "chassis.inbox.inbox:Inbox._hold_key": FAILING,
    "chassis.inbox.inbox:Inbox._store": FAILING,
    "chassis.inbox.operate": OPERATOR,
    "chassis.jobs.intents:_Run._record_each": UNRECORDED,
    "chassis.jobs.intents:_Run._postpone_unrecorded": UNRECORDED,
    "chassis.kafka.refusals": AWAY,
    "chassis.kafka.replay": REBUILD,
    "chassis.local": SHARED,
    "chassis.kafka.publisher:_check_that_kafka_answers": REFUSED_ROW,
    "chassis.outbox.operate": OPERATOR,
    "chassis.outbox.republish": OPERATOR,
    "chassis.outbox.retries": REFUSED_ROW,
    "chassis.outbox.set_aside": REFUSED_ROW,
    "chassis.postgres.migrations": "migrations run before the service starts",
    "chassis.outbox.windows": "only where a module leaves a monolith (docs/decisions/0063)",
    "chassis.web.admin": OPERATOR,
    "chassis.web.load_shedding": "only for a request that is refused because of too many others",
}


def reason_of(point: Point) -> str:
    """The reason of the longest entry that the point's name begins with."""
    fitting = [place for place in REASONS if point.name.startswith(place)]
    return REASONS[max(fitting, key=len)] if fitting else UNKNOWN
