"""What orders publishes matches its schemas; what it consumes, it can read."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from jsonschema.exceptions import ValidationError

from chassis.events import ConsumedEvent, Money, PublishedEvent, Undecodable, read_data
from orders import events
from orders.domain import CancellationReason, RejectionReason
from orders.subscriptions import SUBSCRIPTIONS
from testkit import received
from testkit.contracts import TOPICS, assert_as_promised, examples_of, schema_of, validate
from testkit.expectations import assert_events_as_expected, event_readers

ORDER: dict[str, Any] = {
    "order_id": UUID("01980000-0000-7000-8000-00000000000a"),
    "version": 2,
    "customer_id": "c-ada",
    "total": Money(amount_minor=2598, currency="EUR"),
}
NOW = datetime(2026, 3, 2, 9, 0, 0, 250_000, UTC)
PUBLISHED: list[PublishedEvent] = [
    events.OrderPlaced(
        **{**ORDER, "version": 1},
        lines=[events.OrderLine(sku="mug", quantity=2, unit_price=Money(amount_minor=1299, currency="EUR"))],
        payment_token="tok_ok",
        placed_at=NOW,
        deadline_at=NOW,
    ),
    events.OrderConfirmed(**ORDER, confirmed_at=NOW),
    *(
        events.OrderRejected(**ORDER, reason=reason, sold_out=sold_out, rejected_at=NOW)
        for reason, sold_out in (
            (RejectionReason.OUT_OF_STOCK, ["mug"]),
            (RejectionReason.PAYMENT_DECLINED, []),
        )
    ),
    *(events.OrderCancelled(**ORDER, reason=reason, cancelled_at=NOW) for reason in CancellationReason),
]
CONSUMED: list[type[ConsumedEvent]] = [
    events.StockRejected,
    events.PaymentCaptured,
    events.PaymentDeclined,
    events.ProductListed,
    events.ProductPriced,
]
each_published = pytest.mark.parametrize(
    "event", PUBLISHED, ids=lambda event: f"{event.event_type} {getattr(event, 'reason', '')}"
)


@each_published
def test_what_is_published_matches_its_schema_and_sends_nothing_else(event: PublishedEvent) -> None:
    data = json.loads(event.model_dump_json())
    assert_as_promised(data, type(event).model_fields, event.event_type)


@each_published
def test_times_are_told_in_utc(event: PublishedEvent) -> None:
    data = json.loads(event.model_dump_json())
    times = [value for name, value in data.items() if name.endswith("_at")]
    assert times
    assert all(value.endswith("Z") and datetime.fromisoformat(value) == NOW for value in times)


@each_published
def test_the_schema_gate_catches_a_missing_field(event: PublishedEvent) -> None:
    data = json.loads(event.model_dump_json())
    del data["total" if "total" in data else "order_id"]
    with pytest.raises(ValidationError):
        validate(event.event_type, data)


def test_every_event_of_the_own_topic_is_published_and_no_other() -> None:
    owned = {name for topic in TOPICS.values() if topic["owner"] == "orders" for name in topic["events"]}
    assert {event.event_type for event in PUBLISHED} == owned


@each_published
def test_an_event_goes_to_its_own_topic_under_the_id_of_its_order(event: PublishedEvent) -> None:
    assert event.event_type in TOPICS[event.topic]["events"]
    assert TOPICS[event.topic]["key"] == "order_id"
    assert event.subject == str(ORDER["order_id"])


@pytest.mark.parametrize("model", CONSUMED, ids=lambda model: model.event_type)
def test_every_example_of_a_consumed_event_can_be_read(model: type[ConsumedEvent]) -> None:
    examples = examples_of(model.event_type)
    assert examples
    for example in examples:
        model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("model", CONSUMED, ids=lambda model: model.event_type)
def test_a_read_model_asks_for_nothing_that_its_schema_does_not_promise(model: type[ConsumedEvent]) -> None:
    asked = {name for name, field in model.model_fields.items() if field.is_required()}
    assert asked <= set(schema_of(model.event_type)["required"])


@pytest.mark.parametrize(
    "model", [events.PaymentDeclined, events.StockRejected], ids=lambda model: model.event_type
)
def test_a_reason_that_nobody_has_heard_of_can_be_read(model: type[ConsumedEvent]) -> None:
    for example in examples_of(model.event_type):
        more = {"reason": "invented-tomorrow", "further": {"fields": True}}
        model.model_validate_json(json.dumps(example | more))


@pytest.mark.parametrize("model", [events.PaymentCaptured, events.PaymentDeclined])
@pytest.mark.parametrize("customer_id", ["", "c" * 65])
def test_a_customer_that_orders_could_not_publish_is_refused(
    model: type[ConsumedEvent], customer_id: str
) -> None:
    example = examples_of(model.event_type)[0] | {"customer_id": customer_id}
    with pytest.raises(ValueError, match="customer_id"):
        model.model_validate_json(json.dumps(example))


def test_a_rejection_for_no_product_is_refused() -> None:
    data = b'{"order_id": "01980000-0000-7000-8000-00000000000a", "shortages": []}'
    model: Any = events.StockRejected
    envelope: Any = received(model.model_construct(), subject=str(ORDER["order_id"]))
    with pytest.raises(Undecodable, match="shortages"):
        read_data(events.StockRejected, envelope._replace(data=data))


def test_every_type_on_a_consumed_topic_is_handled_or_knowingly_skipped() -> None:
    topics = {model.topic for model in CONSUMED}
    on_topics = {name for topic in topics for name in TOPICS[topic]["events"]}
    handled, skipped = set(SUBSCRIPTIONS.by_type), set(SUBSCRIPTIONS.ignored)
    assert handled == {model.event_type for model in CONSUMED}
    assert handled | skipped == on_topics
    assert not handled & skipped


def test_orders_is_a_declared_reader_of_every_topic_that_it_consumes() -> None:
    for model in CONSUMED:
        assert "orders" in TOPICS[model.topic]["readers"]


@pytest.mark.parametrize("consumer", event_readers("orders"))
async def test_an_event_has_all_that_its_reader_has_written_down(consumer: str) -> None:
    await assert_events_as_expected("orders", consumer, PUBLISHED)
