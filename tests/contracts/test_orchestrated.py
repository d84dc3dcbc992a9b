"""The contracts of the orchestrated saga: topics, commands, replies, and what the services do with them."""

import copy
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml
from jsonschema import Draft202012Validator

from chassis.events import ConsumedEvent, PublishedEvent
from chassis.inbox import Subscriptions
from tests.contracts import test_exports as exports
from tests.contracts import test_topics as base
from tests.contracts.event_rules import faults_of_event, read, schema_files, type_of
from tests.house.test_subscriptions import Said, consuming_faults, publishing_faults, said_by

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "contracts" / "orchestrated"
FILES = schema_files(FOLDER / "events")
SERVICES = ["orders", "inventory", "payments", "notifications", "analytics"]
WHERE: Mapping[str, tuple[str, str]] = {
    "orders": ("orders.orchestrator.subscriptions", "ORCHESTRATED"),
    **{name: (f"{name}.commands", "COMMANDS") for name in ("inventory", "payments", "notifications")},
}
"""Service → the module and the name of its subscriptions for this saga."""
Topic = dict[str, Any]


def declared() -> list[Topic]:
    found: list[Topic] = yaml.safe_load((FOLDER / "topics.yaml").read_text())["topics"]
    return found


def subscriptions_of(service: str) -> Subscriptions:
    module, name = WHERE.get(service, (f"{service}.subscriptions", "SUBSCRIPTIONS"))
    found: Subscriptions = getattr(importlib.import_module(module), name)
    return found


def messages_of(service: str) -> list[Any]:
    """The models of commands and replies that a service declares for this saga."""
    modules = (
        [f"orders.orchestrator.{name}" for name in ("commands", "messages")]
        if service == "orders"
        else [f"{service}.commands"]
    )
    found = [
        model
        for name in (modules if service in WHERE else [])
        for model in vars(importlib.import_module(name)).values()
        if isinstance(model, type) and model.__module__ == name
    ]
    return [m for m in found if issubclass(m, ConsumedEvent | PublishedEvent) and m.event_type]


def said(service: str) -> Said:
    """What a service says of messages in this saga."""
    subscriptions = subscriptions_of(service)
    published = {
        m.event_type: (m.topic, m.key) for m in messages_of(service) if issubclass(m, PublishedEvent)
    }
    handled = {type_: found.model for type_, found in subscriptions.by_type.items()}
    return Said(
        service,
        frozenset(handled),
        subscriptions.ignored,
        {**said_by(service).published, **published},
        {type_: (model.topic, None) for type_, model in handled.items()},
        subscriptions.deferrable,
        subscriptions.topic_of,
    )


def differences(topics: list[Topic]) -> list[str]:
    """How the topics of events differ from those of contracts/topics.yaml in anything but their readers."""
    mine = {topic["name"]: topic for topic in topics}
    found = []
    for topic in base.declared():
        other = mine.get(topic["name"], {})
        found += [
            f"{topic['name']}: {key} is {other.get(key)!r} here, and {value!r} there"
            for key, value in topic.items()
            if key != "readers" and other.get(key) != value
        ]
    return found


def test_the_file_has_the_shape_of_its_schema() -> None:
    assert base.shape_faults(declared()) == []


def test_the_topics_of_events_are_those_of_the_other_saga_with_other_readers() -> None:
    assert differences(declared()) == []


@pytest.mark.parametrize("change", [{"partitions": 3}, {"retention_ms": 1}, {"name": "orders.order.v2"}])
def test_a_topic_that_differs_is_seen(change: Topic) -> None:
    topics = copy.deepcopy(declared())
    topics[0].update(change)
    assert differences(topics) != []


def test_each_message_has_one_topic_and_one_schema() -> None:
    described = base.described_events() | {type_of(file) for file in FILES}
    faults = base.meaning_faults(declared(), described, base.services())
    # orders directs the saga: it reads its own topic to learn of requests and deadlines.
    assert faults == ["orders.order.v1: its owner orders reads its own topic"]


@pytest.mark.parametrize("file", FILES, ids=type_of)
def test_a_command_or_reply_is_described_and_has_valid_examples(file: Path) -> None:
    assert faults_of_event(file) == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_answers_every_message_on_the_topics_that_it_reads(service: str) -> None:
    assert consuming_faults(said(service), [*declared()]) == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_publishes_what_it_owns_where_it_should(service: str) -> None:
    assert publishing_faults(said(service), [*declared()]) == []


def test_a_service_that_does_not_know_a_command_is_seen() -> None:
    topics = copy.deepcopy(declared())
    next(t for t in topics if t["name"] == "orders.payments-command.v1")["readers"].append("inventory")
    assert any(
        "orders.charge-payment.v1 arrives" in fault
        for fault in consuming_faults(said("inventory"), [*topics])
    )


@pytest.mark.parametrize("file", FILES, ids=type_of)
def test_the_sender_and_the_receiver_of_a_message_keep_its_contract(file: Path) -> None:
    """The sender's model is the schema, and each model of a receiver reads each example."""
    schema, type_ = read(file), type_of(file)
    examples = [read(path) for path in sorted((file.parent / "examples").glob("*.json"))]
    models = [m for service in SERVICES for m in messages_of(service) if m.event_type == type_]
    (sent,) = (m for m in models if issubclass(m, PublishedEvent))
    read_by = [m for m in models if issubclass(m, ConsumedEvent)]
    assert set(sent.model_fields) == set(schema["properties"]) == set(schema["required"])
    assert read_by, "no service reads it"
    for example in examples:
        data = json.loads(sent.model_validate_json(json.dumps(example)).model_dump_json())
        Draft202012Validator(schema).validate(data)
        for model in read_by:
            model.model_validate_json(json.dumps(data))
            for name in model.model_fields.keys() & set(schema["required"]):
                without = json.dumps({key: value for key, value in data.items() if key != name})
                if model.model_fields[name].is_required():
                    with pytest.raises(ValueError, match=name):
                        model.model_validate_json(without)


@pytest.mark.parametrize("service", ["inventory", "payments", "notifications"])
def test_a_command_has_every_field_that_its_use_case_reads(service: str) -> None:
    """A handler names the event that it reads. The command is that event, or has the fields that the code reads."""
    narrower = {"orders.reserve-stock.v1": {"order_id", "lines"}}
    for type_, subscription in subscriptions_of(service).by_type.items():
        if subscription.handler.__name__ == "charge_payment":
            continue  # it composes two use cases; payments' own tests run it on a database
        hint = list(get_type_hints(subscription.handler).values())[1]
        ((event,),) = (get_args(envelope) for envelope in get_args(hint))
        model = subscription.model
        fields = narrower.get(type_, set(event.model_fields))
        assert fields <= set(model.model_fields), type_


def test_only_payments_gets_the_card_token() -> None:
    holders = {
        service
        for service in SERVICES
        for type_, found in subscriptions_of(service).by_type.items()
        if "payment_token" in found.model.model_fields
    }
    assert holders == {"orders", "payments"}
    readers = {t["name"]: t["readers"] for t in declared()}
    assert readers["orders.payments-command.v1"] == ["payments"]


@pytest.mark.parametrize("path", sorted((FOLDER / "asyncapi").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_reference_in_the_written_files_resolves(path: Path) -> None:
    assert exports.dangling(yaml.safe_load(path.read_text()), path.parent) == []


def test_the_code_of_use_cases_does_not_know_which_saga_it_serves() -> None:
    """The four modules of a service have no word of an orchestrator, so nothing in them differs between the sagas."""
    words = ("orchestrat", "command-done", "SHOP_SAGA", "reserve-stock")
    files = [
        file
        for service in SERVICES
        for package in [ROOT / "services" / service / "src" / service]
        for name in ("handlers", "db", "events", "domain")
        for file in (package / f"{name}.py", *(package / name).glob("*.py"))
        if file.exists()
    ]
    assert len(files) >= 4 * len(SERVICES)
    assert [
        f"{file.relative_to(ROOT)}: {word}" for file in files for word in words if word in file.read_text()
    ] == []
