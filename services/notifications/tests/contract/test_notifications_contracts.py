"""What notifications publishes matches its schema; what it consumes, it can read."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from jsonschema.exceptions import ValidationError

from chassis.events import ConsumedEvent
from notifications import events
from notifications.domain import Kind
from notifications.subscriptions import SUBSCRIPTIONS
from testkit.contracts import TOPICS, assert_as_promised, examples_of, schema_of, validate
from testkit.expectations import assert_events_as_expected, event_readers

NOW = datetime(2026, 3, 2, 9, 0, 0, 250_000, UTC)
PUBLISHED = [
    events.NotificationSent(
        order_id=UUID("01980000-0000-7000-8000-00000000000a"),
        notification_id=UUID("01980000-0000-7000-8000-00000000003a"),
        version=1,
        kind=kind,
        channel=channel,
        sent_at=NOW,
    )
    for kind in Kind
    for channel in ("log", "smtp")
]
CONSUMED: list[type[ConsumedEvent]] = [
    events.OrderConfirmed,
    events.OrderRejected,
    events.OrderCancelled,
    events.PaymentRefunded,
    events.PaymentRefundedV2,
]
each_published = pytest.mark.parametrize(
    "event", PUBLISHED, ids=lambda event: f"{event.kind} {event.channel}"
)
each_consumed = pytest.mark.parametrize("model", CONSUMED, ids=lambda model: model.event_type)


@each_published
def test_what_is_published_matches_its_schema_and_sends_nothing_else(event: events.NotificationSent) -> None:
    data = json.loads(event.model_dump_json())
    assert_as_promised(data, type(event).model_fields, event.event_type)


def test_every_kind_that_can_be_published_is_in_the_schema_and_no_other() -> None:
    kinds = schema_of("notifications.notification-sent.v1")["properties"]["kind"]["enum"]
    assert set(kinds) == set(Kind)


@each_published
def test_the_schema_gate_catches_a_missing_field(event: events.NotificationSent) -> None:
    data = json.loads(event.model_dump_json())
    del data["sent_at"]
    with pytest.raises(ValidationError):
        validate(event.event_type, data)


@each_consumed
def test_every_example_of_a_consumed_event_can_be_read(model: type[ConsumedEvent]) -> None:
    examples = examples_of(model.event_type)
    assert examples
    for example in examples:
        model.model_validate_json(json.dumps(example))


@each_consumed
def test_a_read_model_asks_for_nothing_that_its_schema_does_not_promise(model: type[ConsumedEvent]) -> None:
    asked = {name for name, field in model.model_fields.items() if field.is_required()}
    assert asked <= set(schema_of(model.event_type)["required"])


@pytest.mark.parametrize("model", [events.OrderRejected, events.OrderCancelled, events.PaymentRefundedV2])
def test_a_reason_that_nobody_has_heard_of_can_be_read(model: type[ConsumedEvent]) -> None:
    for example in examples_of(model.event_type):
        more = {"reason": "invented-tomorrow", "further": {"fields": True}}
        model.model_validate_json(json.dumps(example | more))


def test_every_type_on_a_consumed_topic_is_handled_or_knowingly_skipped() -> None:
    topics = {model.topic for model in CONSUMED}
    assert all("notifications" in TOPICS[topic]["readers"] for topic in topics)
    on_topics = {name for topic in topics for name in TOPICS[topic]["events"]}
    assert set(SUBSCRIPTIONS.by_type) == {model.event_type for model in CONSUMED}
    assert set(SUBSCRIPTIONS.by_type) | SUBSCRIPTIONS.ignored == on_topics
    assert not set(SUBSCRIPTIONS.by_type) & SUBSCRIPTIONS.ignored


@pytest.mark.parametrize("consumer", event_readers("notifications"))
async def test_an_event_has_all_that_its_reader_has_written_down(consumer: str) -> None:
    await assert_events_as_expected("notifications", consumer, PUBLISHED)
