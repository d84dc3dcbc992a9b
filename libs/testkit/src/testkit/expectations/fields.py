"""The fields that a model reads, derived from the model itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from testkit.expectations.matchers import (
    Matcher,
    each,
    integer,
    matching,
    moment,
    number,
    text,
    truth,
    unique_id,
)

Schema = Mapping[str, Any]


class ReadFields(NamedTuple):
    """The fields that a model reads."""

    required: dict[str, Any]
    """Name → matcher, or the same for a part. Without such a field the data cannot be read."""
    if_present: dict[str, str]
    """JSON path → JSON type. These fields are read where they are present and not null."""


def fields_of(model: type[BaseModel]) -> ReadFields:
    """The fields of a model of data that another program sends, with those of its parts.

    Raises TypeError for a field of which no example can be made. It names the model and the field.
    """
    schema = model.model_json_schema(mode="validation")
    reader = _Reader(model.__name__, schema.get("$defs", {}))
    required = reader.read_object(schema, "$")
    return ReadFields(required, reader.if_present)


class _Reader:
    """Reads the JSON Schema that pydantic writes of one model. `parts` are its `$defs`."""

    def __init__(self, name: str, parts: Schema) -> None:
        self._name = name
        self._parts = parts
        self.if_present: dict[str, str] = {}

    def read_object(self, schema: Schema, path: str) -> dict[str, Any]:
        required = schema.get("required", ())
        fields: dict[str, Any] = {}
        for name, field in schema.get("properties", {}).items():
            place = f"{path}.{name}"
            meant, may_be_null = self._not_null(self._resolved(field))
            if name in required and not may_be_null:
                fields[name] = self._read(meant, name, place)
            else:
                self.if_present[place] = str(meant.get("type", "any"))
        return fields

    def _resolved(self, schema: Schema) -> Schema:
        """The schema itself, or the part that it refers to with what is said beside the reference."""
        if "$ref" not in schema:
            return schema
        part = self._parts[schema["$ref"].removeprefix("#/$defs/")]
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        return {**part, **beside}

    def _not_null(self, schema: Schema) -> tuple[Schema, bool]:
        """A schema without the choice of null, and whether it had one."""
        choices = schema.get("anyOf", ())
        others = [choice for choice in choices if choice.get("type") != "null"]
        if len(choices) == 2 and len(others) == 1:
            return self._resolved(others[0]), True
        return schema, False

    def _read(self, schema: Schema, name: str, place: str) -> Any:
        match schema.get("type"):
            case "object" if "properties" in schema:
                return self.read_object(schema, place)
            case "array" if "items" in schema:
                return each(self._read(self._resolved(schema["items"]), name, f"{place}[*]"))
            case "string":
                return self._text(schema, name, place)
            case "integer":
                return integer(max(1, schema.get("minimum", 1)))
            case "number":
                return number()
            case "boolean":
                return truth()
        raise self._unknown(place, "it has a type that no matcher is known for")

    def _text(self, schema: Schema, name: str, place: str) -> Matcher:
        if schema.get("format") == "uuid":
            return unique_id()
        if schema.get("format") == "date-time":
            return moment()
        if words := schema.get("enum"):
            return matching(words[0], f"^({'|'.join(words)})$")
        examples = schema.get("examples", ())
        if "pattern" not in schema:
            return text(examples[0] if examples else name)
        if not examples:
            raise self._unknown(place, "it has a pattern and no example")
        return matching(examples[0], schema["pattern"])

    def _unknown(self, place: str, why: str) -> TypeError:
        cure = "Give it one with Field(examples=[…]), or teach testkit.expectations.fields its type."
        return TypeError(f"No example can be made of {place} of {self._name}: {why}. {cure}")
