"""What inventory publishes matches the contracts; what it consumes is what others promise."""

import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from jsonschema.exceptions import ValidationError

from chassis.events import ConsumedEvent, Money, PublishedEvent
from inventory import events
from inventory.subscriptions import SUBSCRIPTIONS
from testkit.contracts import TOPICS, assert_as_promised, examples_of, todays_examples_of, validate
from testkit.expectations import assert_events_as_expected, event_readers

NOW = datetime.now(UTC)
LINES = (events.StockLine(sku="mug", quantity=2), events.StockLine(sku="cup", quantity=1))
PRICE = Money(amount_minor=1250, currency="EUR")
PUBLISHED: list[PublishedEvent] = [
    events.StockReserved(order_id=uuid4(), version=1, lines=LINES, reserved_at=NOW),
    events.StockRejected(
        order_id=uuid4(),
        version=1,
        shortages=(events.Shortage(sku="mug", requested=2, available=0),),
        rejected_at=NOW,
    ),
    events.StockCommitted(order_id=uuid4(), version=2, lines=LINES, committed_at=NOW),
    events.StockReleased(order_id=uuid4(), version=2, lines=LINES, released_at=NOW),
    events.ProductListed(sku="mug", version=1, name="Mug", price=PRICE),
    events.ProductPriced(sku="mug", version=2, name="Mug", price=PRICE),
]
CONSUMED: list[type[ConsumedEvent]] = [
    events.OrderPlaced,
    events.OrderConfirmed,
    events.OrderRejected,
    events.OrderCancelled,
]


@pytest.mark.parametrize("event", PUBLISHED, ids=lambda event: event.event_type)
def test_every_published_event_is_as_its_schema_promises(event: PublishedEvent) -> None:
    data = json.loads(event.model_dump_json())
    assert_as_promised(data, type(event).model_fields, event.event_type)


@pytest.mark.parametrize("event", PUBLISHED, ids=lambda event: event.event_type)
def test_a_published_event_that_lacks_a_field_would_be_noticed(event: PublishedEvent) -> None:
    data = json.loads(event.model_dump_json())
    del data["version"]
    with pytest.raises(ValidationError):
        validate(event.event_type, data)


@pytest.mark.parametrize("event", PUBLISHED, ids=lambda event: event.event_type)
def test_the_examples_of_published_events_are_events_of_ours(event: PublishedEvent) -> None:
    found = todays_examples_of(event.event_type)
    assert found, f"{event.event_type} has no example"
    for example in found:
        type(event).model_validate_json(json.dumps(example))


@pytest.mark.parametrize("model", CONSUMED, ids=lambda model: model.event_type)
def test_every_example_of_a_consumed_event_can_be_read(model: type[ConsumedEvent]) -> None:
    found = examples_of(model.event_type)
    assert found, f"{model.event_type} has no example"
    for example in found:
        model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("sku", ["", "a b", "é", "x" * 65, "mug\n"])
def test_a_sku_that_inventory_could_not_publish_is_refused(sku: str) -> None:
    example = examples_of("orders.order-placed.v1")[0]
    line = example["lines"][0] | {"sku": sku}
    with pytest.raises(ValueError, match="sku"):
        events.OrderPlaced.model_validate_json(json.dumps(example | {"lines": [line]}))


@pytest.mark.parametrize("customer_id", ["", "c" * 65])
def test_an_order_that_payments_cannot_read_is_refused(customer_id: str) -> None:
    example = examples_of("orders.order-placed.v1")[0] | {"customer_id": customer_id}
    with pytest.raises(ValueError, match="customer_id"):
        events.OrderPlaced.model_validate_json(json.dumps(example))


def test_every_event_of_the_orders_topic_is_handled_or_knowingly_ignored() -> None:
    types = {name for topic in TOPICS.values() if topic["owner"] == "orders" for name in topic["events"]}
    assert types == SUBSCRIPTIONS.by_type.keys() | SUBSCRIPTIONS.ignored
    assert {model.event_type for model in CONSUMED} == set(SUBSCRIPTIONS.by_type)


def test_every_event_that_inventory_owns_is_published() -> None:
    types = {name for topic in TOPICS.values() if topic["owner"] == "inventory" for name in topic["events"]}
    assert types == {event.event_type for event in PUBLISHED}


@pytest.mark.parametrize("consumer", event_readers("inventory"))
async def test_an_event_has_all_that_its_reader_has_written_down(consumer: str) -> None:
    await assert_events_as_expected("inventory", consumer, PUBLISHED)
