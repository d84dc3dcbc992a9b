"""The OpenAPI and AsyncAPI files in contracts/ say what the services really do."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml"))


def load_export() -> ModuleType:
    spec = importlib.util.spec_from_file_location("contracts_export", ROOT / "tools/contracts/export.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


export = load_export()


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def dangling(document: Any, folder: Path) -> list[str]:
    """The references of a document that lead nowhere."""
    return [reference for reference in references(document) if not _resolves(document, folder, reference)]


def _resolves(document: Any, folder: Path, reference: str) -> bool:
    file, _, pointer = reference.partition("#")
    if file:
        return (folder / file).is_file() and not pointer
    for step in pointer.strip("/").split("/"):
        if not isinstance(document, dict) or step not in document:
            return False
        document = document[step]
    return True


@pytest.mark.parametrize("service", SERVICES)
def test_the_committed_files_are_what_the_service_gives(service: str) -> None:
    for path, text in export.exports([service]).items():
        assert path.is_file(), f"{path.relative_to(ROOT)} is missing: run `make contracts`"
        assert path.read_text() == text, f"{path.relative_to(ROOT)} is not up to date: run `make contracts`"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "contracts").glob("*api/*.yaml")), ids=lambda p: f"{p.parent.name}/{p.stem}"
)
def test_every_reference_in_them_resolves(path: Path) -> None:
    assert dangling(yaml.safe_load(path.read_text()), path.parent) == []


def test_a_dangling_reference_is_seen() -> None:
    document = {"a": {"$ref": "#/b"}, "c": {"$ref": "../events/none/v1.schema.json"}, "d": {"$ref": "#/a"}}
    assert dangling(document, ROOT / "contracts" / "asyncapi") == ["#/b", "../events/none/v1.schema.json"]


def test_a_service_sends_what_it_owns_and_receives_what_it_reacts_to() -> None:
    topics = [
        {
            "name": "a.x.v1",
            "description": "",
            "owner": "a",
            "key": "k",
            "partitions": 1,
            "events": ["a.one.v1"],
        },
        {
            "name": "b.y.v1",
            "description": "",
            "owner": "b",
            "key": "k",
            "partitions": 1,
            "events": ["b.two.v1", "b.three.v1"],
        },
        {
            "name": "c.z.v1",
            "description": "",
            "owner": "c",
            "key": "k",
            "partitions": 1,
            "events": ["c.four.v1"],
        },
    ]
    operations = export.asyncapi("a", topics, frozenset({"b.two.v1"}))["operations"]
    assert sorted(operations) == ["receive-b.y.v1", "send-a.x.v1"]
    assert operations["receive-b.y.v1"]["messages"] == [{"$ref": "#/channels/b.y.v1/messages/b.two.v1"}]
