"""Values that the shop knows, in the documents that schemathesis gets. Without them nearly every request is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shop_load.open_loop import SKUS

Known = Mapping[str, Sequence[Any]]
"""Field or parameter → values with which a request has an effect. A token pays for one order, so there are many."""
KNOWN: Known = {
    "sku": SKUS,
    "quantity": (1, 2),
    "currency": ("EUR",),
    "payment_token": (*(f"tok_ok_fuzz_{number}" for number in range(500)), "tok_declined"),
    "customer_id": (None,),
}
SUFFIX = "OfKnownValues"
"""The end of the name of a schema that has known values only."""


def with_known_values(document: Mapping[str, Any], known: Known = KNOWN) -> dict[str, Any]:
    """A copy of a document, from which more requests have an effect.

    Each known field or parameter may also be one of its known values. And a body may have known values only: an order
    has many fields, and one value that nobody knows is enough to refuse it.
    """
    found: dict[str, Any] = _also_known(dict(document), known)
    schemas = document.get("components", {}).get("schemas", {})
    for name, schema in schemas.items():
        found["components"]["schemas"][f"{name}{SUFFIX}"] = _only_known(schema, known)
    return found


def _also_known(part: Any, known: Known) -> Any:
    """A part of a document in which each known field or parameter may be a known value, and each body all of them."""
    if isinstance(part, list):
        return [_also_known(one, known) for one in part]
    if not isinstance(part, dict):
        return part
    changed = {name: _also_known(one, known) for name, one in part.items()}
    if isinstance(properties := changed.get("properties"), dict):
        changed["properties"] = {name: _or_known(name, schema, known) for name, schema in properties.items()}
    if "in" in changed and "schema" in changed:
        changed["schema"] = _or_known(changed["name"], changed["schema"], known)
    for media, content in part.get("requestBody", {}).get("content", {}).items():
        body = changed["requestBody"]["content"][media]
        body["schema"] = {"anyOf": [_only_known(content["schema"], known), body["schema"]]}
    return changed


def _or_known(name: str, schema: Any, known: Known) -> Any:
    return {"anyOf": [{"enum": list(known[name])}, schema]} if name in known else schema


def _only_known(schema: Any, known: Known) -> Any:
    """A schema in which each known field has one of its known values, also behind a reference."""
    if isinstance(schema, list):
        return [_only_known(one, known) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": f"{schema['$ref']}{SUFFIX}"}
    changed = {name: _only_known(one, known) for name, one in schema.items()}
    if isinstance(properties := schema.get("properties"), dict):
        changed["properties"] = {
            name: {"enum": list(known[name])} if name in known else changed["properties"][name]
            for name in properties
        }
    return changed
