"""The contracts of events, for the tests of those who publish them and of those who read them."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from shop_stack import paths

CONTRACTS = paths.contracts()
TOPICS: dict[str, dict[str, Any]] = {
    topic["name"]: topic for topic in yaml.safe_load((CONTRACTS / "topics.yaml").read_text())["topics"]
}
"""contracts/topics.yaml, by the topics' names."""


def folder_of(event_type: str) -> Path:
    """The folder of an event's contract, which all its versions share."""
    return CONTRACTS / "events" / event_type.rpartition(".")[0]


def schema_of(event_type: str) -> dict[str, Any]:
    """The JSON Schema of an event's data."""
    version = event_type.rpartition(".")[2]
    schema: dict[str, Any] = _json(folder_of(event_type) / f"{version}.schema.json")
    return schema


def examples_of(event_type: str) -> list[dict[str, Any]]:
    """The messages that a reader of an event must read, each as JSON was read: those of today and those of before.

    The examples of each released text are among them, because a topic may still hold such messages. An example that
    lacks a property which is required today is not: `shop contracts check` permits such a property when no message
    without it exists any more.
    """
    required = set(schema_of(event_type)["required"])
    released = [_json(path) for path in _released_examples(event_type)]
    found = todays_examples_of(event_type)
    return found + [data for data in released if data not in found and required <= set(data)]


def todays_examples_of(event_type: str) -> list[dict[str, Any]]:
    """The examples of today's text alone: messages as the owner sends them now."""
    version = event_type.rpartition(".")[2]
    folder = folder_of(event_type) / "examples"
    files = (folder if version == "v1" else folder / version).glob("*.json")
    return [_json(path) for path in sorted(files)]


def _released_examples(event_type: str) -> list[Path]:
    version = event_type.rpartition(".")[2]
    return sorted((folder_of(event_type) / "released").glob(f"{version}.*.examples/*.json"))


def _json(file: Path) -> Any:
    return json.loads(file.read_text())


def assert_as_promised(data: Mapping[str, object], fields: Collection[str], event_type: str) -> None:
    """A service sends an event as its schema promises it. `fields` are those of the service's model.

    The data has each required property, and no property that the schema lacks. It may lack a property of
    `x-optional`, and the model has it all the same. Raises AssertionError with the rule and the cure.
    """
    schema = schema_of(event_type)
    properties, required = set(schema["properties"]), set(schema["required"])
    rule = "The rules of change are in contracts/README.md."
    assert set(data) <= properties, (
        f"{event_type} is sent with {sorted(set(data) - properties)}, which its schema does not have: add it there, "
        f"and list it in `x-optional`. {rule}"
    )
    assert required <= set(data), (
        f"{event_type} is sent without {sorted(required - set(data))}, which its schema requires: send it. {rule}"
    )
    assert set(fields) == properties, (
        f"{event_type}: the schema and the model differ in {sorted(set(fields) ^ properties)}. Give the model each "
        f"property of the schema, with a default if it is in `x-optional`. {rule}"
    )
    nulls = [name for name, value in data.items() if value is None and name not in required]
    assert not nulls, f"{event_type}: {nulls} is optional and null. An absent property is left out. {rule}"
    validate(event_type, data)


def validate(event_type: str, data: object) -> None:
    """Raises jsonschema's ValidationError where an event's data breaks its schema."""
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(schema_of(event_type), format_checker=checker).validate(data)
