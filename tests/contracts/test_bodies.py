"""No body of a request may have a member that the API does not name, such as the status or the total of an order."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from shop_stack import paths

DOCUMENTS = sorted((paths.contracts() / "openapi").glob("*.yaml"))
Node = Mapping[str, Any]


def open_objects(document: Node) -> list[str]:
    """The operations and places at which a body may have members of any name."""
    schemas = document.get("components", {}).get("schemas", {})
    return [
        f"{method.upper()} {path}: body{place}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for media in operation.get("requestBody", {}).get("content", {}).values()
        for place in _open_places(media["schema"], schemas)
    ]


def _open_places(node: Node, schemas: Node, place: str = "") -> Iterator[str]:
    if "$ref" in node:
        node = schemas[node["$ref"].rpartition("/")[2]]
    if node.get("type") == "object" and node.get("additionalProperties") is not False:
        yield place
    for name, child in node.get("properties", {}).items():
        yield from _open_places(child, schemas, f"{place}.{name}")
    for child in (*node.get("anyOf", ()), *node.get("allOf", ())):
        yield from _open_places(child, schemas, place)
    if "items" in node:
        yield from _open_places(node["items"], schemas, f"{place}[]")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_no_body_takes_members_that_the_api_does_not_name(path: Any) -> None:
    assert open_objects(yaml.safe_load(path.read_text())) == []


def test_a_body_with_a_member_of_any_name_is_seen() -> None:
    closed = {"type": "object", "additionalProperties": False}
    line = {"type": "object", "properties": {"sku": {"type": "string"}}}
    order = closed | {
        "properties": {"lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}}}
    }
    body = {"content": {"application/json": {"schema": {"anyOf": [order, {"type": "null"}]}}}}
    document = {
        "paths": {"/orders": {"post": {"requestBody": body}, "get": {}}},
        "components": {"schemas": {"Line": line}},
    }
    assert open_objects(document) == ["POST /orders: body.lines[]"]
