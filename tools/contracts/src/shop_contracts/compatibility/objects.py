"""The objects of a schema: the data of an event, and each object within it, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shop_contracts.texts import Schema


def objects(schema: Schema) -> dict[str, Schema]:
    """Place → object, with references resolved. The data itself has the place "", an item of a list `lines[]`."""
    return dict(_objects(schema, schema.get("$defs", {}), ""))


def joined(at: str, name: str) -> str:
    """The place of a property of the object at a place."""
    return f"{at}.{name}" if at else name


def _objects(part: Schema, definitions: Mapping[str, Schema], at: str) -> Iterator[tuple[str, Schema]]:
    if "$ref" in part:
        part = definitions[str(part["$ref"]).rpartition("/")[2]]
    if "properties" in part:
        yield at, part
    for name, child in part.get("properties", {}).items():
        yield from _objects(child, definitions, joined(at, name))
    if "items" in part:
        yield from _objects(part["items"], definitions, f"{at}[]")
