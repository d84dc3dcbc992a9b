"""A request may have values that the shop knows, in one field or in all."""

from __future__ import annotations

from typing import Any

from shop_lab.fuzz.known_values import with_known_values

LINE = {"type": "object", "properties": {"sku": {"type": "string"}, "note": {"type": "string"}}}
ORDER = {
    "type": "object",
    "properties": {"lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}}},
}
BODY = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}}}
DOCUMENT: dict[str, Any] = {
    "paths": {
        "/orders/{sku}": {
            "post": {
                "parameters": [{"name": "sku", "in": "path", "schema": {"type": "string"}}],
                "requestBody": BODY,
            }
        }
    },
    "components": {"schemas": {"Line": LINE, "Order": ORDER}},
}
FOUND = with_known_values(DOCUMENT, {"sku": ["A"]})
SCHEMAS = FOUND["components"]["schemas"]


def test_a_known_parameter_may_have_a_known_value_or_any_other() -> None:
    (parameter,) = FOUND["paths"]["/orders/{sku}"]["post"]["parameters"]
    assert parameter["schema"] == {"anyOf": [{"enum": ["A"]}, {"type": "string"}]}


def test_a_known_field_may_have_a_known_value_or_any_other() -> None:
    assert SCHEMAS["Line"]["properties"]["sku"] == {"anyOf": [{"enum": ["A"]}, {"type": "string"}]}


def test_a_body_may_have_known_values_only_also_behind_references() -> None:
    body = FOUND["paths"]["/orders/{sku}"]["post"]["requestBody"]["content"]["application/json"]
    only, any_ = body["schema"]["anyOf"]
    assert any_ == {"$ref": "#/components/schemas/Order"}
    order = SCHEMAS[only["$ref"].rpartition("/")[2]]
    line = SCHEMAS[order["properties"]["lines"]["items"]["$ref"].rpartition("/")[2]]
    assert line["properties"] == {"sku": {"enum": ["A"]}, "note": {"type": "string"}}


def test_the_document_of_the_contract_stays_as_it_is() -> None:
    assert DOCUMENT["components"]["schemas"] == {"Line": LINE, "Order": ORDER}
    assert "anyOf" not in str(DOCUMENT)
