"""The business metrics of notifications: a message that a channel accepted is counted by its event."""

from prometheus_client import REGISTRY

from chassis.events import Cause
from chassis.outbox import new_row
from notifications.directory import DEPENDENCY
from notifications.events import NotificationSent
from notifications.main import create_service
from notifications.metrics import metrics_of
from notifications.settings import Settings


def test_an_accepted_message_is_counted_and_no_other_event() -> None:
    business = metrics_of("log", DEPENDENCY)
    before = REGISTRY.get_sample_value("shopfloor_notifications_sent_total")
    types = (NotificationSent.event_type, "notifications.dead-lettered.v1")
    business.count_committed(new_row("t", "key", type, Cause(None, "key", None), "{}") for type in types)
    assert before is not None
    assert REGISTRY.get_sample_value("shopfloor_notifications_sent_total") == before + 1


def test_the_outside_systems_are_not_away_at_the_start() -> None:
    create_service(
        Settings(database_url="postgresql://u:p@127.0.0.1:1/d", kafka_bootstrap_servers="127.0.0.1:1")
    )
    for dependency in ("log", DEPENDENCY):
        assert REGISTRY.get_sample_value("chassis_dependency_away", {"dependency": dependency}) is not None
