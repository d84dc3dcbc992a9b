"""An optional property may be added to any event: all that guards contracts stays green."""

import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.events import ConsumedEvent, PublishedEvent
from shop_contracts.compatibility.gate import check
from shop_contracts.contracts import Contracts
from shop_contracts.releases.freezing import freeze_event
from shop_observe.contract import event_check
from shop_stack.paths import repository
from testkit import contracts
from testkit.contracts import assert_as_promised, examples_of, schema_of, todays_examples_of
from tests.contracts.event_rules import faults_of_event

TYPES = sorted(Contracts(repository()).events)
SERVICES = sorted(path.parent.name for path in (repository() / "services").glob("*/pyproject.toml"))
VALUE = "of tomorrow"


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of contracts/, from which the test kit reads."""
    shutil.copytree(repository() / "contracts", tmp_path / "contracts")
    monkeypatch.setattr(contracts, "CONTRACTS", tmp_path / "contracts")
    return tmp_path


def add_optional_property(root: Path, type_: str) -> None:
    """Add a property as the rules permit it: optional with its date, in a new example, and in no old one."""
    text = Contracts(root).events[type_]
    schema = json.loads(text.file.read_text())
    schema["properties"]["extra"] = {"type": "string", "maxLength": 20, "description": "More."}
    schema["x-optional"] = {**schema.get("x-optional", {}), "extra": "2026-12-01"}
    text.file.write_text(json.dumps(schema, indent=2))
    name, example = next(iter(text.examples.items()))
    version = type_.rpartition(".")[2]
    folder = text.file.parent / ("examples" if version == "v1" else f"examples/{version}")
    (folder / f"extra-{name}").write_text(json.dumps(example | {"extra": VALUE}))


def read_models(type_: str) -> Iterator[type[ConsumedEvent]]:
    for service in SERVICES:
        subscriptions = importlib.import_module(f"{service}.subscriptions").SUBSCRIPTIONS.by_type
        if type_ in subscriptions:
            yield subscriptions[type_].model


def published_model(type_: str) -> type[PublishedEvent]:
    importlib.import_module(f"{type_.partition('.')[0]}.events")
    [model] = [
        model for model in PublishedEvent.__subclasses__() if getattr(model, "event_type", "") == type_
    ]
    return model


@pytest.mark.parametrize("type_", TYPES)
def test_an_optional_property_is_added_and_every_guard_stays_green(copied: Path, type_: str) -> None:
    add_optional_property(copied, type_)
    file = Contracts(copied).events[type_].file
    assert faults_of_event(file) == []
    assert [finding.sentence for verdict in check(Contracts(copied)) for finding in verdict.findings] == []
    examples = examples_of(type_)
    assert any("extra" in example for example in examples)
    assert any("extra" not in example for example in examples)
    for model in read_models(type_):
        for example in examples:
            model.model_validate_json(json.dumps(example))
    is_event = event_check(copied / "contracts", type_)
    assert [is_event(example) for example in examples] == [""] * len(examples)
    fields = set(published_model(type_).model_fields)
    for example in todays_examples_of(type_):
        assert_as_promised(example, fields | {"extra"}, type_)


@pytest.mark.parametrize("type_", TYPES)
def test_an_owner_that_does_not_send_the_new_property_is_told_what_to_do(copied: Path, type_: str) -> None:
    add_optional_property(copied, type_)
    example = todays_examples_of(type_)[0]
    fields = published_model(type_).model_fields
    with pytest.raises(AssertionError, match=r"differ in \['extra'\]. Give the model each property"):
        assert_as_promised({name: example[name] for name in example if name != "extra"}, fields, type_)


def test_a_new_reader_is_fed_the_messages_of_each_released_text(copied: Path) -> None:
    """The example of today has the property. The one of before lacks it, is in no folder `examples` any more."""
    type_ = "payments.payment-captured.v1"
    freeze_event(Contracts(copied), type_)
    before = len(todays_examples_of(type_))
    add_optional_property(copied, type_)
    folder = Contracts(copied).events[type_].file.parent / "examples"
    for path in folder.glob("[!e]*.json"):
        path.unlink()
    assert all("extra" in example for example in todays_examples_of(type_))
    assert sum("extra" not in example for example in examples_of(type_)) == before


def test_a_reader_is_not_fed_messages_that_no_topic_can_hold_any_more(copied: Path) -> None:
    """Their property is required today, which `shop contracts check` permits when they have left the topic."""
    type_ = "payments.payment-captured.v1"
    file = Contracts(copied).events[type_].file
    schema = schema_of(type_)
    schema["properties"]["extra"] = {"type": "string", "maxLength": 20, "description": "More."}
    schema["required"].append("extra")
    file.write_text(json.dumps(schema))
    for path in (file.parent / "examples").glob("*.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"extra": VALUE}))
    assert examples_of(type_) == todays_examples_of(type_)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"extra": 1}, "which its schema does not have: add it there"),
        ({"version": ...}, "which its schema requires: send it"),
    ],
)
def test_an_event_that_is_not_as_promised_is_refused_with_the_cure(
    copied: Path, change: dict[str, object], rule: str
) -> None:
    type_ = "payments.payment-captured.v1"
    example = todays_examples_of(type_)[0] | change
    data = {name: value for name, value in example.items() if value is not ...}
    with pytest.raises(AssertionError, match=rule):
        assert_as_promised(data, schema_of(type_)["properties"], type_)


def test_an_optional_property_that_is_null_is_refused(copied: Path) -> None:
    type_ = "payments.payment-captured.v1"
    add_optional_property(copied, type_)
    example = todays_examples_of(type_)[0] | {"extra": None}
    with pytest.raises(AssertionError, match="is optional and null. An absent property is left out"):
        assert_as_promised(example, schema_of(type_)["properties"], type_)
