"""Every event is described well enough to write a consumer from its folder alone."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.contracts.event_rules import (
    Schema,
    example_faults,
    examples_of_schema,
    read,
    schema_faults,
    schema_files,
    type_of,
    unlimited_integers,
    values_without_example,
)

EVENTS = Path(__file__).resolve().parents[2] / "contracts" / "events"
FILES = schema_files(EVENTS)
EXAMPLES = [(file, path) for file in FILES for path in examples_of_schema(file)]

# What is planted is planted into an event of its own, so that a change of a real event breaks no test of a rule.
PARCEL = "parcels.parcel-sent.v1"
SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:shopfloor:schema:parcels.parcel-sent:v1",
    "title": "Parcel sent",
    "description": "A parcel left the warehouse.",
    "type": "object",
    "required": ["parcel_id", "version", "value", "pieces", "sent_at"],
    "properties": {
        "parcel_id": {"type": "string", "format": "uuid", "description": "The parcel."},
        "version": {"type": "integer", "minimum": 1, "maximum": 2147483647, "description": "Its version."},
        "value": {"$ref": "#/$defs/money", "description": "What it is worth."},
        "pieces": {"type": "array", "minItems": 1, "items": {"type": "string"}, "description": "Their SKUs."},
        "sent_at": {"type": "string", "format": "date-time", "description": "When it left. RFC 3339, UTC."},
        "carrier": {"type": "string", "enum": ["mail", "bike"], "description": "Who carries it."},
    },
    "x-optional": {"carrier": "2026-12-01"},
    "additionalProperties": True,
    "$defs": {
        "money": {
            "title": "Money",
            "type": "object",
            "required": ["amount_minor", "currency"],
            "properties": {
                "amount_minor": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": 10,
                    "description": "Minor units.",
                },
                "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "description": "ISO 4217 code."},
            },
            "additionalProperties": True,
        }
    },
}
EXAMPLE = {
    "parcel_id": "01980000-0000-7000-8000-00000000000a",
    "version": 1,
    "value": {"amount_minor": 5, "currency": "EUR"},
    "pieces": ["mug"],
    "sent_at": "2026-03-02T09:00:00.250Z",
}


@pytest.mark.parametrize("file", FILES, ids=type_of)
def test_a_schema_is_valid_and_teaches(file: Path) -> None:
    assert schema_faults(type_of(file), read(file)) == []


@pytest.mark.parametrize("file", FILES, ids=type_of)
def test_an_event_has_an_example(file: Path) -> None:
    assert examples_of_schema(file), f"{type_of(file)} has no example"


@pytest.mark.parametrize(("file", "path"), EXAMPLES, ids=lambda path: f"{path.parents[1].name}/{path.stem}")
def test_an_example_obeys_its_schema(file: Path, path: Path) -> None:
    assert example_faults(read(file), read(path)) == []


def test_every_value_of_a_closed_list_has_an_example() -> None:
    missing = [
        f"{type_of(file)}: no example with {value}"
        for file in FILES
        for value in values_without_example(read(file), [read(path) for path in examples_of_schema(file)])
    ]
    assert missing == [], "an example is what consumers' tests parse, so a value without one is untested"


@pytest.mark.parametrize("path", sorted(EVENTS.parent.glob("*.schema.json")), ids=lambda path: path.name)
def test_the_other_schemas_are_valid(path: Path) -> None:
    Draft202012Validator.check_schema(json.loads(path.read_text()))


@pytest.mark.parametrize("name", ["dead-letter", "envelope"])
def test_an_integer_of_any_message_has_a_maximum(name: str) -> None:
    schema = json.loads((EVENTS.parent / f"{name}.schema.json").read_text())
    assert list(unlimited_integers(schema)) == []


def test_the_event_into_which_faults_are_planted_has_none() -> None:
    assert schema_faults(PARCEL, SCHEMA) == []
    assert example_faults(SCHEMA, EXAMPLE) == []
    assert example_faults(SCHEMA, EXAMPLE | {"carrier": "bike"}) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"type": "thing"}, "no JSON Schema"),
        ({"$id": "urn:shopfloor:schema:parcels.parcel-lost:v1"}, "named after its folder"),
        ({"$id": "urn:shopfloor:schema:parcels.parcel-sent:v2"}, "named after its folder"),
        ({"description": ""}, "has no description"),
        ({"required": ["parcel_id"]}, "version is not required. List it in `x-optional`"),
        ({"x-optional": {}}, "carrier is not required. List it in `x-optional`"),
        ({"additionalProperties": False}, "additional properties"),
        ({"$defs": {"money": {"properties": {"tax": {"type": "integer"}}}}}, "money.tax has no description"),
        ({"$defs": {"money": {"properties": {"tax": {"type": "integer"}}}}}, "tax has no maximum"),
        ({"$defs": {"money": {"properties": {"tax": {"type": "integer"}}}}}, "money: tax is not required"),
    ],
)
def test_a_wrong_schema_is_seen(change: Schema, complaint: str) -> None:
    faults = schema_faults(PARCEL, copy.deepcopy(SCHEMA) | change)
    assert any(complaint in fault for fault in faults), faults


@pytest.mark.parametrize(
    "change",
    [
        {"parcel_id": "not-a-uuid"},
        {"version": 0},
        {"version": 2**31},
        {"sent_at": "yesterday"},
        {"value": {"amount_minor": 12.99, "currency": "EUR"}},
        {"value": {"amount_minor": 9, "currency": "euro"}},
        {"pieces": []},
        {"colour": "blue"},
        {"carrier": None},
    ],
    ids=str,
)
def test_a_wrong_example_is_seen(change: dict[str, object]) -> None:
    assert example_faults(SCHEMA, EXAMPLE | change) != []


def test_a_value_without_an_example_is_seen_where_some_examples_lack_the_property() -> None:
    examples: list[Any] = [EXAMPLE, EXAMPLE | {"carrier": "mail"}]
    assert values_without_example(SCHEMA, examples) == ["carrier = bike"]
