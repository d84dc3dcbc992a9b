"""A consumer takes each integer that the contract allows, and none that its columns cannot hold."""

import importlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from chassis.events import ConsumedEvent, Time
from testkit.contracts import examples_of, schema_of

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))
LARGEST_COLUMN = 2**63 - 1


def read_models() -> list[tuple[str, type[ConsumedEvent]]]:
    """(service, model) of every event that a service reacts to."""
    return [
        (service, subscription.model)
        for service in SERVICES
        for subscription in importlib.import_module(f"{service}.subscriptions").SUBSCRIPTIONS.by_type.values()
    ]


def limits_in(
    node: Mapping[str, Any], definitions: Mapping[str, Any], at: str = ""
) -> Iterator[tuple[str, int | None]]:
    """The integers of a JSON Schema by their places, each with its maximum."""
    if "$ref" in node:
        node = definitions[node["$ref"].rpartition("/")[2]]
    if node.get("type") == "integer":
        yield at, node.get("maximum")
    for name, child in node.get("properties", {}).items():
        yield from limits_in(child, definitions, f"{at}.{name}")
    if "items" in node:
        yield from limits_in(node["items"], definitions, f"{at}[]")


def limits_of(schema: Mapping[str, Any]) -> dict[str, int | None]:
    return dict(limits_in(schema, schema.get("$defs", {})))


def faults(read: Mapping[str, int | None], promised: Mapping[str, int | None]) -> list[str]:
    """What is wrong with the limits of a read model, beside those of the contract."""
    found = []
    for place, most in read.items():
        allowed = promised[place]
        assert allowed is not None
        if most is None or most > LARGEST_COLUMN:
            found.append(f"{place} is taken at any size")
        elif most < allowed:
            found.append(f"{place} is refused above {most}, and the contract allows {allowed}")
    return found


@pytest.mark.parametrize(
    ("service", "model"),
    [pytest.param(*each, id=f"{each[0]} {each[1].event_type}") for each in read_models()],
)
def test_a_read_model_has_the_limits_of_the_contract_or_wider_ones(
    service: str, model: type[BaseModel]
) -> None:
    contract = schema_of(model.event_type)  # type: ignore[attr-defined]
    assert faults(limits_of(model.model_json_schema()), limits_of(contract)) == [], service


def neighbours(name: str, value: object) -> list[object]:
    """Values that are close to a right one and of another type."""
    if isinstance(value, int):
        return [str(value), float(value), True]
    if name.endswith("_at"):
        return [1_700_000_000, "1700000000", "2026-03-02 09:00:00Z", "2026-03-02T09:00:00"]
    return [1, True]


def with_neighbours(
    data: Mapping[str, Any], node: Mapping[str, Any], definitions: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The data, each time with another field that the model reads exchanged for a neighbour of its value."""
    for name, child in node["properties"].items():
        if name not in data:  # the model has a default for it
            continue
        child = definitions.get(child.get("$ref", "").rpartition("/")[2], child)
        item = definitions.get(child.get("items", {}).get("$ref", "").rpartition("/")[2])
        if item is not None:
            for changed in with_neighbours(data[name][0], item, definitions):
                yield {**data, name: [changed, *data[name][1:]]}
        elif "properties" in child:
            for changed in with_neighbours(data[name], child, definitions):
                yield {**data, name: changed}
        else:
            for neighbour in neighbours(name, data[name]):
                yield {**data, name: neighbour}


def taken_neighbours(model: type[ConsumedEvent], example: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The example, with each neighbour of a value that the model takes nevertheless."""
    schema = model.model_json_schema()
    found = []
    for changed in with_neighbours(example, schema, schema.get("$defs", {})):
        try:
            model.model_validate_json(json.dumps(changed))
        except ValidationError:
            continue
        found.append(changed)
    return found


@pytest.mark.parametrize(
    ("service", "model"),
    [pytest.param(*each, id=f"{each[0]} {each[1].event_type}") for each in read_models()],
)
def test_a_read_model_takes_each_example_and_no_value_of_another_type(
    service: str, model: type[ConsumedEvent]
) -> None:
    """A record that one reader takes and the contract refuses is judged as if no service had handled it."""
    examples = examples_of(model.event_type)
    assert examples
    for example in examples:
        model.model_validate_json(json.dumps(example))
        assert taken_neighbours(model, example) == [], (
            f"{service} reads these values of {model.event_type}, and the contract refuses them: "
            f"make the field of services/{service}/src/{service}/events.py stricter. The type of a time is "
            "`chassis.events.Time`."
        )


def test_a_time_that_is_read_in_any_form_is_seen() -> None:
    class Read(ConsumedEvent, type="parcels.parcel-sent.v1", topic="parcels.parcel.v1", key="parcel_id"):
        parcel_id: str
        sent_at: datetime | None = None

    class ReadRightly(Read, type="parcels.parcel-sent.v1", topic="parcels.parcel.v1", key="parcel_id"):
        sent_at: Time | None = None

    example = {"parcel_id": "p", "sent_at": "2026-03-02T09:00:02.250Z"}
    assert {"parcel_id": "p", "sent_at": "1700000000"} in taken_neighbours(Read, example)
    assert taken_neighbours(ReadRightly, example) == []


def test_a_wrong_limit_is_seen() -> None:
    promised = {".version": 10, ".lines[].quantity": 5}
    assert faults({".version": 10, ".lines[].quantity": 9}, promised) == []
    assert faults({".version": None, ".lines[].quantity": 4}, promised) == [
        ".version is taken at any size",
        ".lines[].quantity is refused above 4, and the contract allows 5",
    ]
