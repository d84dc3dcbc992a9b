"""A consumer takes each integer that the contract allows, and none that its columns cannot hold."""

import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from chassis.events import ConsumedEvent

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
    folder = model.event_type.removesuffix(".v1")  # type: ignore[attr-defined]
    contract = json.loads((ROOT / "contracts/events" / folder / "v1.schema.json").read_text())
    assert faults(limits_of(model.model_json_schema()), limits_of(contract)) == [], service


def test_a_wrong_limit_is_seen() -> None:
    promised = {".version": 10, ".lines[].quantity": 5}
    assert faults({".version": 10, ".lines[].quantity": 9}, promised) == []
    assert faults({".version": None, ".lines[].quantity": 4}, promised) == [
        ".version is taken at any size",
        ".lines[].quantity is refused above 4, and the contract allows 5",
    ]
