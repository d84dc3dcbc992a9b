"""The rules that the schema of an event and its examples follow, each broken one as a sentence with its cure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError

Schema = dict[str, Any]
FORMATS = FormatChecker(["uuid"])
RULES = "contracts/README.md#rules-of-change"


@FORMATS.checks("date-time", raises=ValueError)
def is_utc_time(value: object) -> bool:
    """The house rule is narrower than the format, and jsonschema knows that only with a further package."""
    return not isinstance(value, str) or (value.endswith("Z") and bool(datetime.fromisoformat(value)))


def schema_files(events: Path) -> list[Path]:
    """The schema of each version of each event in a folder contracts/events."""
    return sorted(events.glob("*/v*.schema.json"))


def type_of(file: Path) -> str:
    """The type of the event that a schema file describes: `orders.order-placed.v1`."""
    return f"{file.parent.name}.{file.name.removesuffix('.schema.json')}"


def examples_of_schema(file: Path) -> list[Path]:
    """The examples of today of a version: in the folder `examples`, or in `examples/v2` for version 2."""
    version = file.name.removesuffix(".schema.json")
    folder = file.parent / "examples"
    return sorted((folder if version == "v1" else folder / version).glob("*.json"))


def read(file: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(file.read_text())


def properties(schema: Schema, at: str = "data") -> Iterator[tuple[str, Schema]]:
    """Every property of the schema and of its definitions, with its place."""
    for name, child in schema.get("properties", {}).items():
        yield f"{at}.{name}", child
    for name, child in schema.get("$defs", {}).items():
        yield from properties(child, name)


def objects(schema: Schema, at: str = "data") -> Iterator[tuple[str, Schema]]:
    """The schema and its definitions, as far as they have properties, with their places."""
    if "properties" in schema:
        yield at, schema
    for name, child in schema.get("$defs", {}).items():
        yield from objects(child, name)


def unlimited_integers(node: Any, at: str = "") -> Iterator[str]:
    """The places of integers without a maximum: a column holds no number of any size."""
    if isinstance(node, dict):
        if node.get("type") == "integer" and "maximum" not in node:
            yield at
        for name, child in node.items():
            yield from unlimited_integers(child, f"{at}/{name}")


def schema_faults(type_: str, schema: Schema) -> list[str]:
    """What is wrong with the schema of an event."""
    folder, _, version = type_.rpartition(".")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return [f"{type_} is no JSON Schema 2020-12: {error.message}"]
    faults = []
    if schema.get("$schema") != "https://json-schema.org/draft/2020-12/schema":
        faults.append(f"{type_} does not say that it is JSON Schema 2020-12")
    if schema.get("$id") != f"urn:shopfloor:schema:{folder}:{version}":
        faults.append(f"{type_} has the $id {schema.get('$id')}: it must be named after its folder")
    faults += [f"{type_} has no {word}" for word in ("title", "description") if not schema.get(word)]
    faults += [fault for at, part in objects(schema) for fault in unlisted(f"{type_}: {at}", part)]
    if schema.get("additionalProperties") is not True:
        faults.append(f"{type_} must allow additional properties: consumers live with newer producers")
    faults += [f"{type_}: {place} has no maximum" for place in unlimited_integers(schema)]
    for place, child in properties(schema):
        if not child.get("description"):
            faults.append(f"{type_}: {place} has no description")
        if place.endswith("_at") and child.get("format") != "date-time":
            faults.append(f"{type_}: {place} is a time and lacks the format date-time")
    return faults


def unlisted(at: str, part: Schema) -> list[str]:
    """The properties of an object that are neither required nor announced as optional."""
    listed = set(part.get("required", ())) | set(part.get("x-optional", ()))
    return [
        f"{at}: {name} is not required. List it in `x-optional` beside `required`, with the date from which each "
        f"message has it ({RULES})"
        for name in sorted(set(part["properties"]) - listed)
    ]


def example_faults(schema: Schema, example: object) -> list[str]:
    """Where an example breaks its schema, or has a field that the schema does not know."""
    strict = json.loads(
        json.dumps(schema).replace('"additionalProperties": true', '"additionalProperties": false')
    )
    validator = Draft202012Validator(strict, format_checker=FORMATS)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(example)]


def values_without_example(schema: Schema, examples: list[Any]) -> list[str]:
    """The values of lists that no example has, each as `name = value`."""
    return [
        f"{name} = {value}"
        for name, child in schema["properties"].items()
        for value in child.get("enum", [])
        if value not in {example.get(name) for example in examples}
    ]


def faults_of_event(file: Path) -> list[str]:
    """What is wrong with a version of an event: with its schema, and with its examples of today."""
    type_, schema = type_of(file), read(file)
    faults = schema_faults(type_, schema)
    examples = [read(path) for path in examples_of_schema(file)]
    if not examples:
        faults.append(f"{type_} has no example: consumers' tests parse the examples")
    faults += [f"{type_}: {fault}" for example in examples for fault in example_faults(schema, example)]
    faults += [
        f"{type_}: no example with {value}. Readers' tests parse the examples, so a value without one is untested"
        for value in values_without_example(schema, examples)
    ]
    return faults
