"""The event types that a release sends.

A topic may declare a type before any release sends it: its readers must know it first (contracts/README.md). So the
declaration is not enough, and the code of the release is read, out of git.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from shop_contracts.releases import git
from shop_contracts.releases.snapshot import parsed, topic_entries

PUBLISHED = "PublishedEvent"
"""The class of the chassis that every published event has as its base."""


@lru_cache(maxsize=64)
def topics_of_sent_types(root: Path, commit: str, service: str) -> Mapping[str, str]:
    """Event type → its topic, for each type that the service sends in this commit.

    A declared type is not sent if its class is used in no module but the one that defines it. Raises UserError if the
    clone lacks a part of the commit, or if a module is no Python.
    """
    declared = {
        str(event): str(topic["name"])
        for topic in topic_entries(root, commit)
        if topic["owner"] == service
        for event in topic["events"]
    }
    unused = _unused_types(_modules(root, commit, service))
    return {type_: topic for type_, topic in declared.items() if type_ not in unused}


def _modules(root: Path, commit: str, service: str) -> list[ast.Module]:
    blobs = git.files(root, commit, [f"services/{service}/src"])
    paths = [blob.path for blob in blobs if blob.path.endswith(".py")]
    texts = git.contents(root, [f"{commit}:{path}" for path in paths]) if paths else []
    return [parsed(text or b"", path) for path, text in zip(paths, texts, strict=True)]


def _unused_types(modules: list[ast.Module]) -> set[str]:
    """The types whose class no other module uses. An import alone is no use."""
    names = [_names(module) for module in modules]
    unused = set()
    for number, module in enumerate(modules):
        if PUBLISHED in names[number]:
            elsewhere = set().union(*names[:number], *names[number + 1 :])
            unused |= {type_ for name, type_ in _event_classes(module) if name not in elsewhere}
    return unused


def _event_classes(module: ast.Module) -> Iterator[tuple[str, str]]:
    """(class, event type) of each class of a published event."""
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef) and PUBLISHED in {_name(base) for base in node.bases}:
            for keyword in node.keywords:
                if keyword.arg == "type" and isinstance(keyword.value, ast.Constant):
                    yield node.name, str(keyword.value.value)


def _names(module: ast.Module) -> set[str]:
    return {_name(node) for node in ast.walk(module)}


def _name(node: ast.AST) -> str:
    """The name that an expression ends with, `A` for `A` and for `events.A`; empty if it has none."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
