"""Every event is described well enough to write a consumer from its folder alone."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError

EVENTS = Path(__file__).resolve().parents[2] / "contracts" / "events"
FOLDERS = sorted(path for path in EVENTS.iterdir() if path.is_dir())
EXAMPLES = sorted(EVENTS.glob("*/examples/*.json"))
Schema = dict[str, Any]
FORMATS = FormatChecker(["uuid"])


@FORMATS.checks("date-time", raises=ValueError)
def is_utc_time(value: object) -> bool:
    """The house rule is narrower than the format, and jsonschema knows that only with a further package."""
    return not isinstance(value, str) or (value.endswith("Z") and bool(datetime.fromisoformat(value)))


def schema_of(folder: Path) -> Schema:
    schema: Schema = json.loads((folder / "v1.schema.json").read_text())
    return schema


def properties(schema: Schema, at: str = "data") -> Iterator[tuple[str, Schema]]:
    """Every property of the schema and of its definitions, with its place."""
    for name, child in schema.get("properties", {}).items():
        yield f"{at}.{name}", child
    for name, child in schema.get("$defs", {}).items():
        yield from properties(child, name)


def unlimited_integers(node: Any, at: str = "") -> Iterator[str]:
    """The places of integers without a maximum: a column holds no number of any size."""
    if isinstance(node, dict):
        if node.get("type") == "integer" and "maximum" not in node:
            yield at
        for name, child in node.items():
            yield from unlimited_integers(child, f"{at}/{name}")


def schema_faults(folder_name: str, schema: Schema) -> list[str]:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return [f"{folder_name} is no JSON Schema 2020-12: {error.message}"]
    faults = []
    if schema.get("$schema") != "https://json-schema.org/draft/2020-12/schema":
        faults.append(f"{folder_name} does not say that it is JSON Schema 2020-12")
    if schema.get("$id") != f"urn:shopfloor:schema:{folder_name}:v1":
        faults.append(f"{folder_name} has the $id {schema.get('$id')}: it must be named after its folder")
    faults += [f"{folder_name} has no {word}" for word in ("title", "description") if not schema.get(word)]
    if set(schema["required"]) != set(schema["properties"]) and "x-optional" not in schema:
        optional = sorted(set(schema["properties"]) ^ set(schema["required"]))
        faults.append(f"{folder_name}: {optional} not required; name them and their date in `x-optional`")
    if schema.get("additionalProperties") is not True:
        faults.append(f"{folder_name} must allow additional properties: consumers live with newer producers")
    faults += [f"{folder_name}: {place} has no maximum" for place in unlimited_integers(schema)]
    for place, child in properties(schema):
        if not child.get("description"):
            faults.append(f"{folder_name}: {place} has no description")
        if place.endswith("_at") and child.get("format") != "date-time":
            faults.append(f"{folder_name}: {place} is a time and lacks the format date-time")
    return faults


def example_faults(schema: Schema, example: object) -> list[str]:
    """Where an example breaks its schema, or has a field that the schema does not know."""
    strict = json.loads(
        json.dumps(schema).replace('"additionalProperties": true', '"additionalProperties": false')
    )
    validator = Draft202012Validator(strict, format_checker=FORMATS)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(example)]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_schema_is_valid_and_teaches(folder: Path) -> None:
    assert schema_faults(folder.name, schema_of(folder)) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_an_event_has_an_example(folder: Path) -> None:
    assert list((folder / "examples").glob("*.json")), f"{folder.name}/examples holds no *.json"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parents[1].name}/{path.stem}")
def test_an_example_obeys_its_schema(path: Path) -> None:
    assert example_faults(schema_of(path.parents[1]), json.loads(path.read_text())) == []


def test_every_value_of_a_closed_list_has_an_example() -> None:
    missing = []
    for folder in FOLDERS:
        examples = [json.loads(path.read_text()) for path in (folder / "examples").glob("*.json")]
        for name, child in schema_of(folder)["properties"].items():
            used = {example[name] for example in examples if "enum" in child}
            missing += [
                f"{folder.name}: no example with {name} = {value}"
                for value in child.get("enum", [])
                if value not in used
            ]
    assert missing == [], "an example is what consumers' tests parse, so a value without one is untested"


@pytest.mark.parametrize("path", sorted(EVENTS.parent.glob("*.schema.json")), ids=lambda path: path.name)
def test_the_other_schemas_are_valid(path: Path) -> None:
    Draft202012Validator.check_schema(json.loads(path.read_text()))


@pytest.mark.parametrize("name", ["dead-letter", "envelope"])
def test_an_integer_of_any_message_has_a_maximum(name: str) -> None:
    schema = json.loads((EVENTS.parent / f"{name}.schema.json").read_text())
    assert list(unlimited_integers(schema)) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"type": "thing"}, "no JSON Schema"),
        ({"$id": "urn:shopfloor:schema:orders.order-lost:v1"}, "named after its folder"),
        ({"description": ""}, "has no description"),
        ({"required": ["order_id"]}, "not required"),
        ({"additionalProperties": False}, "additional properties"),
        ({"$defs": {"money": {"properties": {"tax": {"type": "integer"}}}}}, "money.tax has no description"),
        ({"$defs": {"money": {"properties": {"tax": {"type": "integer"}}}}}, "tax has no maximum"),
    ],
)
def test_a_wrong_schema_is_seen(change: Schema, complaint: str) -> None:
    name = "orders.order-placed"
    faults = schema_faults(name, schema_of(EVENTS / name) | change)
    assert any(complaint in fault for fault in faults), faults


@pytest.mark.parametrize(
    "change",
    [
        {"order_id": "not-a-uuid"},
        {"version": 0},
        {"version": 2**31},
        {"placed_at": "yesterday"},
        {"total": {"amount_minor": 12.99, "currency": "EUR"}},
        {"total": {"amount_minor": 1299, "currency": "euro"}},
        {"lines": []},
        {"colour": "blue"},
    ],
    ids=str,
)
def test_a_wrong_example_is_seen(change: dict[str, object]) -> None:
    folder = EVENTS / "orders.order-placed"
    example = json.loads((folder / "examples" / "confirmed-order.json").read_text())
    assert example_faults(schema_of(folder), example) == []
    assert example_faults(schema_of(folder), example | change) != []
