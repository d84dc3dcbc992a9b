"""Everything that anybody publishes can be read, whatever else is in it."""

import json

import pytest

from analytics import jobs
from analytics.db import order_facts, product_facts
from analytics.jobs import MODELS
from analytics.subscriptions import SUBSCRIPTIONS
from chassis.events import ConsumedEvent
from testkit.contracts import TOPICS, examples_of, schema_of

each_consumed = pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))


@each_consumed
def test_every_example_of_a_consumed_event_can_be_read_and_states_a_fact(model: type[ConsumedEvent]) -> None:
    examples = examples_of(model.event_type)
    assert examples
    for example in examples:
        fact = model.model_validate_json(json.dumps(example)).fact()  # type: ignore[attr-defined]
        table = order_facts if "order_id" in fact else product_facts
        assert set(fact) <= {column.name for column in table.columns}


@each_consumed
def test_fields_and_words_that_nobody_has_heard_of_do_not_matter(model: type[ConsumedEvent]) -> None:
    for example in examples_of(model.event_type):
        unheard = {word: "invented-tomorrow" for word in ("reason", "kind", "channel") if word in example}
        model.model_validate_json(json.dumps(example | unheard | {"further": {"fields": True}}))


@each_consumed
def test_a_read_model_asks_for_nothing_that_its_schema_does_not_promise(model: type[ConsumedEvent]) -> None:
    asked = {name for name, field in model.model_fields.items() if field.is_required()}
    assert asked <= set(schema_of(model.event_type)["required"])


def test_every_type_on_every_topic_is_projected_and_can_be_rebuilt() -> None:
    topics = {name: topic for name, topic in TOPICS.items() if "analytics" in topic["readers"]}
    assert set(jobs.TOPICS) == set(topics)
    declared = {name for topic in topics.values() for name in topic["events"]}
    assert set(SUBSCRIPTIONS.by_type) == set(MODELS) == declared
    assert not SUBSCRIPTIONS.ignored
    for model in MODELS.values():
        assert model.event_type in TOPICS[model.topic]["events"]
