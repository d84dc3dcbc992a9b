"""Payments and the contracts agree: on what it publishes, and on what it reads."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from jsonschema.exceptions import ValidationError

from chassis.events import ConsumedEvent, Money, PublishedEvent
from payments.domain import Reason
from payments.events import (
    OrderCancelled,
    OrderPlaced,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentRefundedV2,
    StockReserved,
)
from payments.subscriptions import SUBSCRIPTIONS
from testkit.contracts import assert_as_promised, examples_of, folder_of, validate
from testkit.expectations import assert_events_as_expected, event_readers

COMMON: dict[str, Any] = {
    "order_id": uuid4(),
    "payment_id": uuid4(),
    "version": 2,
    "customer_id": "c-ada",
    "amount": Money(amount_minor=1250, currency="EUR"),
}
NOW = datetime.now(UTC)
PUBLISHED: list[PublishedEvent] = [
    PaymentCaptured(**COMMON, captured_at=NOW),
    PaymentRefunded(**COMMON, refund_id=uuid4(), refunded_at=NOW),
    PaymentRefundedV2(
        **{name: value for name, value in COMMON.items() if name != "amount"},
        refund_id=uuid4(),
        captured=COMMON["amount"],
        refunded=COMMON["amount"],
        reason="customer",
        refunded_at=NOW,
    ),
    *(PaymentDeclined(**COMMON, reason=reason, declined_at=NOW) for reason in Reason),
]
CONSUMED: list[type[ConsumedEvent]] = [OrderPlaced, OrderCancelled, StockReserved]


@pytest.mark.parametrize("event", PUBLISHED, ids=lambda event: event.event_type)
def test_what_is_published_matches_its_schema_exactly(event: PublishedEvent) -> None:
    data = json.loads(event.model_dump_json())
    assert_as_promised(data, type(event).model_fields, event.event_type)


@pytest.mark.parametrize("model", CONSUMED, ids=lambda model: model.event_type)
def test_every_example_of_what_is_consumed_can_be_read(model: type[ConsumedEvent]) -> None:
    examples = examples_of(model.event_type)
    assert examples
    for example in examples:
        assert model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("model", [OrderPlaced, OrderCancelled])
@pytest.mark.parametrize("customer_id", ["", "c" * 65])
def test_a_customer_that_payments_could_not_publish_is_refused(
    model: type[ConsumedEvent], customer_id: str
) -> None:
    example = examples_of(model.event_type)[0] | {"customer_id": customer_id}
    with pytest.raises(ValueError, match="customer_id"):
        model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("event", PUBLISHED, ids=lambda event: event.event_type)
def test_an_event_that_breaks_its_schema_is_seen(event: PublishedEvent) -> None:
    broken = {"amount_minor": 12.5, "currency": "EUR"}
    data = json.loads(event.model_dump_json()) | {"amount": broken, "refunded": broken}
    with pytest.raises(ValidationError):
        validate(event.event_type, data)


def test_what_is_subscribed_has_a_model_and_what_is_ignored_has_a_contract() -> None:
    assert set(SUBSCRIPTIONS.by_type) == {model.event_type for model in CONSUMED}
    assert all(folder_of(event_type).is_dir() for event_type in SUBSCRIPTIONS.ignored)


@pytest.mark.parametrize("consumer", event_readers("payments"))
async def test_an_event_has_all_that_its_reader_has_written_down(consumer: str) -> None:
    await assert_events_as_expected("payments", consumer, PUBLISHED)
