"""The contracts of events, for the tests of those who publish them and of those who read them."""

import json
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
    """The folder of an event's contract."""
    return CONTRACTS / "events" / event_type.removesuffix(".v1")


def schema_of(event_type: str) -> dict[str, Any]:
    """The JSON Schema of an event's data."""
    schema: dict[str, Any] = json.loads((folder_of(event_type) / "v1.schema.json").read_text())
    return schema


def examples_of(event_type: str) -> list[dict[str, Any]]:
    """The examples of an event's data, each as JSON was read."""
    files = sorted((folder_of(event_type) / "examples").glob("*.json"))
    return [json.loads(path.read_text()) for path in files]


def validate(event_type: str, data: object) -> None:
    """Raises jsonschema's ValidationError where an event's data breaks its schema."""
    checker = Draft202012Validator.FORMAT_CHECKER
    Draft202012Validator(schema_of(event_type), format_checker=checker).validate(data)
